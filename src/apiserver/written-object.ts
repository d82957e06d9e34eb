/** @module What the server itself sees to in an object that is to be written: its name, its identity, its bookkeeping. */
import { jsonEqual } from "./patch/json-value.ts";
import type { Draft, ServedResource, Strategy } from "./served.ts";
import { errors, type StatusCause } from "./status-error.ts";

const GENERATED = "bcdfghjklmnpqrstvwxz2456789";

export function generateName(base: string): string {
  let suffix = "";
  for (let place = 0; place < 5; place++) suffix += GENERATED[Math.floor(Math.random() * GENERATED.length)];
  // As apiserver's names.SimpleNameGenerator: 63 characters at most.
  return `${base.slice(0, 58)}${suffix}`;
}

/** What is wrong with an object; where its kind says so, without what was wrong with it before. */
export function newCauses(strategy: Strategy, before: Readonly<Draft>, after: Draft): readonly StatusCause[] {
  // One that can be checked no more, because its schema has changed, can still be rid of its finalizers.
  if (strategy.ratchets && hasSameContent(before, after)) return [];
  const causes = strategy.validate?.(after) ?? [];
  if (!strategy.ratchets || causes.length === 0) return causes;
  const key = ({ field, message }: StatusCause): string => `${field}: ${message}`;
  const known = new Set(strategy.validate?.(before as Draft).map(key));
  return causes.filter((cause) => !known.has(key(cause)));
}

/** Whether nothing but the metadata differs. */
function hasSameContent(
  { metadata: _, ...before }: Readonly<Draft>,
  { metadata: __, ...after }: Draft,
): boolean {
  return jsonEqual(before, after);
}

/** @throws StatusError 409 when it is another object of that name */
export function checkIdentity(resource: ServedResource, before: Readonly<Draft>, made: Draft): void {
  const { uid } = made.metadata;
  if (uid && uid !== before.metadata.uid) {
    throw errors.conflict(
      resource,
      before.metadata.name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${before.metadata.uid}`,
    );
  }
}

export function keepServersFields(before: Readonly<Draft>, after: Draft): void {
  const kept = before.metadata;
  const { metadata } = after;
  metadata.name = kept.name;
  if (kept.namespace !== undefined) metadata.namespace = kept.namespace;
  for (const name of [
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "generateName",
  ] as const) {
    if (kept[name] === undefined) delete metadata[name];
    else Object.assign(metadata, { [name]: kept[name] });
  }
}

export function withoutBookkeeping(object: Readonly<Draft>): Record<string, unknown> {
  const { metadata: _, ["status"]: __, ...rest } = object;
  return rest;
}
