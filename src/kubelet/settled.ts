/** @module Waiting for the end of what lives long, by many who live shortly. */

interface Waiting {
  readonly listeners: Set<() => void>;
  isOver: boolean;
}

const waitingFor = new WeakMap<Promise<unknown>, Waiting>();

/**
 * Calls when a promise has settled, never at once. What is attached to a promise itself stays until then: a container's
 * end would hold everyone who ever looked at its log.
 * @returns takes the listener away
 */
export function onSettled(promise: Promise<unknown>, listener: () => void): () => void {
  const waiting = waitingFor.get(promise) ?? begin(promise);
  if (waiting.isOver) queueMicrotask(listener);
  else waiting.listeners.add(listener);
  return () => void waiting.listeners.delete(listener);
}

function begin(promise: Promise<unknown>): Waiting {
  const waiting: Waiting = { listeners: new Set(), isOver: false };
  const settle = (): void => {
    waiting.isOver = true;
    for (const listener of waiting.listeners) listener();
    waiting.listeners.clear();
  };
  promise.then(settle, settle);
  waitingFor.set(promise, waiting);
  return waiting;
}

/** Resolves when one of the streams is closed, was closed before, or `ended` has settled. */
export async function firstEnd(
  ended: Promise<unknown>,
  streams: readonly { readonly destroyed: boolean; once(event: "close", listener: () => void): unknown }[],
): Promise<void> {
  let forget = (): void => undefined;
  await new Promise<void>((resolve) => {
    forget = onSettled(ended, resolve);
    for (const stream of streams)
      if (stream.destroyed) resolve();
      else stream.once("close", resolve);
  });
  forget();
}
