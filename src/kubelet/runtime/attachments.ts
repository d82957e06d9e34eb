/** @module Who is attached to a container's main process. Output waits for the slowest, as it does with containerd. */
import type { Readable } from "node:stream";
import { firstEnd } from "../settled.ts";
import type { Streams } from "./container.ts";
import type { Launched } from "./launch.ts";

/** Of what a program says before somebody attaches. */
const MOST_EARLY_BYTES = 65_536;

export class Attachments {
  readonly #process: Launched;
  readonly #attached = new Set<Streams>();
  readonly #stdinOnce: boolean;
  #waiting = 0;
  /** `kubectl run -i` attaches after the start, and a quick program has said all by then. */
  #early: { readonly name: "stdout" | "stderr"; readonly chunk: Buffer }[] | undefined;
  #earlyBytes = 0;

  constructor(process: Launched, stdinOnce: boolean) {
    this.#process = process;
    this.#stdinOnce = stdinOnce;
    if (stdinOnce) this.#early = [];
  }

  /** What the process wrote just now. */
  output(name: "stdout" | "stderr", chunk: Buffer): void {
    if (this.#early) {
      this.#earlyBytes += chunk.length;
      if (this.#earlyBytes > MOST_EARLY_BYTES) this.#early = undefined;
      else this.#early.push({ name, chunk });
    }
    for (const streams of this.#attached) {
      const sink = name === "stderr" && !streams.tty ? streams.stderr : streams.stdout;
      if (!sink || sink.destroyed || sink.writableEnded || sink.write(chunk)) continue;
      this.#pause();
      const go = (): void => {
        sink.off("drain", go);
        sink.off("close", go);
        this.#resume();
      };
      sink.on("drain", go);
      sink.on("close", go);
    }
  }

  #sources(): Readable[] {
    return [this.#process.stdout, ...(this.#process.stderr ? [this.#process.stderr] : [])];
  }

  #pause(): void {
    if (this.#waiting++ === 0) for (const source of this.#sources()) source.pause();
  }

  #resume(): void {
    if (--this.#waiting === 0) for (const source of this.#sources()) source.resume();
  }

  /** Until the process ends, or the streams are closed. */
  async attach(streams: Streams, ended: Promise<unknown>): Promise<void> {
    this.#attached.add(streams);
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const { name, chunk } of early) this.output(name, chunk);
    streams.onResize?.((size) => this.#process.resize(size));
    const { stdin } = streams;
    const target = this.#process.stdin;
    // What the process does not read waits with who typed it: the next one's first word would come on top else.
    const forward = (): void => {
      target?.off("drain", forward);
      for (;;) {
        if (target?.writableNeedDrain && !target.destroyed && !target.writableEnded) {
          target.on("drain", forward);
          return;
        }
        const chunk = stdin?.read() as Buffer | null | undefined;
        if (!chunk) return;
        if (target && !target.destroyed && !target.writableEnded) target.write(chunk);
      }
    };
    const finish = (): void => {
      // A terminal has no end of input; whoever reads it sees the hang-up of the last one instead.
      if (this.#stdinOnce && this.#process.stderr) target?.end();
    };
    stdin?.on("readable", forward);
    stdin?.once("end", finish);
    stdin?.once("close", finish);
    await firstEnd(
      ended,
      [streams.stdout, streams.stderr].filter((sink) => sink !== undefined),
    );
    this.#attached.delete(streams);
    stdin?.off("readable", forward);
    target?.off("drain", forward);
  }
}
