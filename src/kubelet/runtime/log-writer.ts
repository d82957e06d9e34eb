/** @module A container's log, in the form of the Container Runtime Interface: time, stream, whole or partial, text. */
import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import path from "node:path";

export type LogStream = "stdout" | "stderr";

const ROTATE_BYTES = 10 * 1024 * 1024;
/** A longer line is written in parts, as containerd does. */
const LINE_BYTES = 16 * 1024;
const NEWLINE = 10;

let second = 0;
let secondText = "";

/** Now, to the microsecond, in nine digits. */
export function logTime(): string {
  const now = performance.timeOrigin + performance.now();
  const whole = Math.floor(now / 1000);
  if (whole !== second) {
    second = whole;
    secondText = new Date(whole * 1000).toISOString().slice(0, 20);
  }
  const micros = Math.floor((now - whole * 1000) * 1000);
  return `${secondText}${String(micros).padStart(6, "0")}000Z`;
}

export class LogWriter {
  readonly #file: string;
  #fd: number | undefined;
  #bytes = 0;
  readonly #rest: Record<LogStream, Buffer | undefined> = { stdout: undefined, stderr: undefined };

  /** Makes the file, so that a container that says nothing has an empty log. */
  constructor(file: string) {
    this.#file = file;
    mkdirSync(path.dirname(file), { recursive: true });
    closeSync(openSync(file, "a"));
  }

  /** Output as it comes; lines are kept until they end. */
  write(stream: LogStream, chunk: Buffer): void {
    const before = this.#rest[stream];
    const bytes = before ? Buffer.concat([before, chunk]) : chunk;
    const time = logTime();
    const parts: Buffer[] = [];
    let start = 0;
    while (start < bytes.length) {
      const newline = bytes.indexOf(NEWLINE, start);
      const end = newline < 0 ? bytes.length : newline;
      if (end - start > LINE_BYTES) {
        parts.push(line(time, stream, "P", bytes.subarray(start, start + LINE_BYTES)));
        start += LINE_BYTES;
        continue;
      }
      if (newline < 0) break;
      parts.push(line(time, stream, "F", bytes.subarray(start, end)));
      start = end + 1;
    }
    this.#rest[stream] = start < bytes.length ? Buffer.from(bytes.subarray(start)) : undefined;
    if (parts.length > 0) this.#append(Buffer.concat(parts));
  }

  /** A whole line. */
  line(stream: LogStream, text: string): void {
    this.#append(line(logTime(), stream, "F", Buffer.from(text)));
  }

  #append(bytes: Buffer): void {
    if (this.#fd === undefined) {
      this.#fd = openSync(this.#file, "a");
      this.#bytes = fstatSync(this.#fd).size;
    }
    writeSync(this.#fd, bytes);
    this.#bytes += bytes.length;
    if (this.#bytes < ROTATE_BYTES) return;
    closeSync(this.#fd);
    renameSync(this.#file, `${this.#file}.1`);
    this.#fd = openSync(this.#file, "a");
    this.#bytes = 0;
  }

  close(): void {
    for (const stream of ["stdout", "stderr"] as const) {
      const rest = this.#rest[stream];
      this.#rest[stream] = undefined;
      if (rest) this.#append(line(logTime(), stream, "F", rest));
    }
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

function line(time: string, stream: LogStream, tag: "F" | "P", text: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${time} ${stream} ${tag} `), text, Buffer.from("\n")]);
}
