import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { firstEnd, onSettled } from "./settled.ts";

test("who waits is called when it has settled, also late, and not when they have gone", async () => {
  const heard: string[] = [];
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  onSettled(ended, () => heard.push("one"));
  onSettled(ended, () => heard.push("gone"))();
  end();
  await ended;
  await Promise.resolve();
  onSettled(ended, () => heard.push("late"));
  expect(heard).toEqual(["one"]);
  await Promise.resolve();
  expect(heard).toEqual(["one", "late"]);
});

test("the end of a stream counts also when it came before", async () => {
  const never = new Promise(() => undefined);
  const stream = Object.assign(new EventEmitter(), { destroyed: false });
  const waiting = firstEnd(never, [stream]);
  stream.emit("close");
  await waiting;
  await firstEnd(never, [Object.assign(new EventEmitter(), { destroyed: true })]);
  await firstEnd(Promise.reject(new Error("it failed")), [
    Object.assign(new EventEmitter(), { destroyed: false }),
  ]);
});
