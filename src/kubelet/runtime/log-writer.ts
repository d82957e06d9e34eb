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
  #lostBytes = 0;
  /** The last line was written in part. */
  #isMidLine = false;
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

  /**
   * What cannot be written, for want of room say, is counted and not kept: a container's output ends no process of ours.
   * When there is room again, the log says how much it lacks.
   */
  #append(bytes: Buffer): void {
    try {
      this.#rotate();
      if (this.#fd === undefined) {
        this.#fd = openSync(this.#file, "a");
        this.#bytes = fstatSync(this.#fd).size;
      }
      if (this.#lostBytes > 0) this.#reportLost(this.#fd);
      this.#writeAll(this.#fd, bytes);
    } catch {
      this.#lostBytes += bytes.length;
    }
  }

  /** @throws what the file system throws; a line that is only begun is ended then, when there is room */
  #writeAll(fd: number, bytes: Buffer): void {
    let at = 0;
    try {
      while (at < bytes.length) at += writeSync(fd, bytes, at);
    } finally {
      this.#bytes += at;
      this.#isMidLine = at > 0 ? bytes[at - 1] !== NEWLINE : this.#isMidLine;
    }
  }

  #reportLost(fd: number): void {
    const words = `tortie: ${this.#lostBytes} bytes of output could not be written`;
    const text = line(logTime(), "stderr", "F", Buffer.from(words));
    this.#writeAll(fd, this.#isMidLine ? Buffer.concat([Buffer.from("\n"), text]) : text);
    this.#lostBytes = 0;
  }

  #rotate(): void {
    if (this.#fd === undefined || this.#bytes < ROTATE_BYTES) return;
    closeSync(this.#fd);
    this.#fd = undefined;
    renameSync(this.#file, `${this.#file}.1`);
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
