import { PassThrough, Writable } from "node:stream";
import { expect, test } from "vitest";
import { Attachments } from "./attachments.ts";
import type { Launched } from "./launch.ts";

const CHUNK = Buffer.alloc(64 * 1024);

/** A process that reads as much as it is told to. */
class Reader extends Writable {
  taken = 0;
  #go: (() => void) | undefined;

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#go = () => {
      this.taken += chunk.length;
      done();
    };
  }

  read(): void {
    const go = this.#go;
    this.#go = undefined;
    go?.();
  }
}

function processOf(stdin: Writable): Launched {
  return {
    pid: 1,
    stdin,
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    resize: () => undefined,
    kill: () => undefined,
    end: new Promise(() => undefined),
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

test("input that a process does not read waits with its clients, however many come and go", async () => {
  const stdin = new Reader();
  const attachments = new Attachments(processOf(stdin), false);
  for (let client = 0; client < 50; client++) {
    const [input, output] = [new PassThrough(), new PassThrough()];
    const attached = attachments.attach(
      { stdin: input, stdout: output, tty: false },
      new Promise(() => undefined),
    );
    for (let sent = 0; sent < 4; sent++) input.write(CHUNK);
    await turn();
    output.destroy();
    await attached;
  }
  expect(stdin.writableLength).toBeLessThan(3 * CHUNK.length);
  expect(stdin.listenerCount("drain")).toBe(0);
});

test("all of an input arrives when the process reads it", async () => {
  const stdin = new Reader();
  const attachments = new Attachments(processOf(stdin), false);
  const [input, output] = [new PassThrough(), new PassThrough()];
  const attached = attachments.attach(
    { stdin: input, stdout: output, tty: false },
    new Promise(() => undefined),
  );
  for (let sent = 0; sent < 20; sent++) input.write(CHUNK);
  for (let turns = 0; turns < 200 && stdin.taken < 20 * CHUNK.length; turns++) {
    stdin.read();
    await turn();
  }
  expect(stdin.taken).toBe(20 * CHUNK.length);
  output.destroy();
  await attached;
});
