/** @module Reads the files, folders and globs that a command names. All or nothing: a manifest left out would change answers. */
import type { Stats } from "node:fs";
import { type FileHandle, open, readdir, realpath, stat } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { type FailureCode, OpError } from "../base/errors.ts";
import type { InputText } from "../resources/load.ts";
import { compileGlob, globRoot, isGlob } from "./glob.ts";

export interface ReadOptions {
  /** Relative paths start here; the process's folder where left out. Files keep the name that the user gave. */
  readonly folder?: string;
  /**
   * Patterns of files and folders that are left out, however they were found. One without a slash is held against each
   * part of a path, one with a slash against the path as it was given and as it stands from `excludeFrom`.
   */
  readonly exclude?: readonly string[];
  /** Where the user's own paths start; `folder` where left out. */
  readonly excludeFrom?: string;
  /** The most that one file may hold; 64 MiB where left out. */
  readonly maxBytes?: number;
  /** What `-` reads; the process's own input where left out. */
  readonly stdin?: AsyncIterable<Uint8Array | string>;
  /** The file system; tests bring one that misbehaves. */
  readonly files?: FileAccess;
}

/** The part of `node:fs/promises` that reading takes. */
export interface FileAccess {
  open(file: string, flags: "r"): Promise<OpenFile>;
  readdir: (folder: string, options: { withFileTypes: true }) => Promise<readonly FolderEntry[]>;
  stat(file: string): Promise<FileStats>;
  realpath(file: string): Promise<string>;
}

export type OpenFile = Pick<FileHandle, "stat" | "read" | "close">;
export type FileStats = Pick<Stats, "isDirectory" | "isFile" | "mtimeMs" | "size" | "ino">;

export interface FolderEntry {
  readonly name: string;
  isDirectory(): boolean;
  isFile(): boolean;
  isSymbolicLink(): boolean;
}

const MAX_BYTES = 64 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;
/** Waiting for one file while others are read halves the time that ten thousand take. */
const FILES_AT_ONCE = 16;
const STDIN = "<stdin>";
const MANIFEST = /\.(?:ya?ml|json)$/i;

/**
 * Reads everything that the paths name.
 *
 * A folder stands for all `*.yaml`, `*.yml` and `*.json` in it and below, hidden ones left out. A file that is named is
 * read whatever its extension. `-` is standard input.
 *
 * @returns each file once, in the order of the paths; inside a folder and for a glob, sorted by name
 * @throws OpError `not-found`, `file-unreadable`, `file-too-large`, `file-changed` (it was written to while it was read),
 *   `input-invalid` (not UTF-8, or nothing is left that was not excluded)
 */
export async function readInputs(paths: readonly string[], options: ReadOptions = {}): Promise<InputText[]> {
  const reader = new InputReader(options);
  const isExcluded = exclusion(options.exclude ?? []);
  const from = options.excludeFrom ?? reader.folder;
  let excluded = 0;
  const names = new Map<string, { file: string; scanned: boolean }>();
  for (const name of paths) {
    for (const file of await reader.find(name)) {
      const seen = file === STDIN ? file : path.relative(from, path.resolve(reader.folder, file));
      if (isExcluded(file) || isExcluded(seen)) {
        excluded++;
        continue;
      }
      const key = file === STDIN ? STDIN : path.resolve(reader.folder, file);
      const scanned = file !== name && file !== STDIN;
      // A file that is also named by itself is meant, wherever else it was found.
      const known = names.get(key);
      if (!known) names.set(key, { file, scanned });
      else if (!scanned) names.set(key, { ...known, scanned });
    }
  }
  const found = [...names.values()];
  if (found.length === 0 && excluded > 0)
    throw new OpError("every file is excluded, so there is nothing to read", { code: "input-invalid" });
  const texts: InputText[] = [];
  for (let first = 0; first < found.length; first += FILES_AT_ONCE) {
    const read = await Promise.allSettled(
      found.slice(first, first + FILES_AT_ONCE).map(async ({ file, scanned }) => ({
        file,
        text: await reader.read(file),
        ...(scanned && { scanned }),
      })),
    );
    // Of several that cannot be read, the first by name is told, whichever failed first.
    for (const result of read) {
      if (result.status === "rejected") throw result.reason;
      texts.push(result.value);
    }
  }
  return texts;
}

/** @returns whether a file is left out, by its name as it is shown */
function exclusion(patterns: readonly string[]): (file: string) => boolean {
  const [paths, names] = [true, false].map((hasSlash) =>
    patterns
      .map((pattern) => pattern.replace(/\/+$/, ""))
      .filter((pattern) => pattern.includes("/") === hasSlash)
      .map(compileGlob),
  );
  return (file) => {
    if (file === STDIN) return false;
    const parts = file.replace(/^(?:\.\/)+/, "").split("/");
    return parts.some(
      (part, index) =>
        names?.some((name) => name.test(part)) === true ||
        paths?.some((path) => path.test(parts.slice(0, index + 1).join("/"))) === true,
    );
  };
}

class InputReader {
  readonly folder: string;
  readonly #maxBytes: number;
  readonly #stdin: AsyncIterable<Uint8Array | string>;
  readonly #files: FileAccess;

  constructor(options: ReadOptions) {
    this.folder = options.folder ?? process.cwd();
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
    this.#stdin = options.stdin ?? process.stdin;
    this.#files = options.files ?? { open, readdir, stat, realpath };
  }

  /** @returns the names of the files that one path stands for */
  async find(name: string): Promise<string[]> {
    if (name === "-") return [STDIN];
    // As of an unset variable. Node takes it for the current folder.
    if (name === "") throw new OpError("a path is empty", { code: "not-found", facts: { path: name } });
    const found = await this.#stat(name);
    if (found?.isDirectory()) return this.#walk(name, (file) => MANIFEST.test(file));
    // A name with a bracket or a star that exists is that file, as shells have it.
    if (found) return [name];
    if (!isGlob(name))
      throw new OpError(`${name}: no such file or folder`, { code: "not-found", facts: { path: name } });
    const pattern = compileGlob(name);
    const root = globRoot(name);
    const matches = (await this.#stat(root))
      ? await this.#walk(root, (file) => pattern.test(file.replace(/^(?:\.\/)+/, "")))
      : [];
    if (matches.length > 0) return matches;
    throw new OpError(`${name}: no file matches`, { code: "not-found", facts: { path: name } });
  }

  /** Files below a folder that pass, sorted. Links are followed, but not back into a folder that leads here. */
  async #walk(root: string, passes: (file: string) => boolean): Promise<string[]> {
    const found: string[] = [];
    const visit = async (folder: string, above: readonly string[]): Promise<void> => {
      const real = await this.#attempt(folder, "open", this.#files.realpath(this.#resolve(folder)));
      if (above.includes(real)) return;
      const entries = await this.#attempt(
        folder,
        "list",
        this.#files.readdir(this.#resolve(folder), { withFileTypes: true }),
      );
      const sorted = [...entries].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
      for (const entry of sorted) {
        if (entry.name.startsWith(".")) continue;
        const name = folder === "." ? entry.name : `${folder.replace(/\/+$/, "")}/${entry.name}`;
        const kind = entry.isSymbolicLink() ? await this.#followLink(name, passes) : entry;
        if (kind?.isDirectory()) await visit(name, [...above, real]);
        else if (kind?.isFile() && passes(name)) found.push(name);
      }
    };
    await visit(root, []);
    return found;
  }

  /** A link that leads nowhere is an error only where it is named like a file that would have been read. */
  async #followLink(name: string, passes: (file: string) => boolean): Promise<FolderEntryKind | undefined> {
    const target = await this.#stat(name);
    if (target || !passes(name)) return target;
    throw new OpError(`${name}: the link leads nowhere`, { code: "file-unreadable", facts: { path: name } });
  }

  async read(file: string): Promise<string> {
    const bytes = file === STDIN ? await this.#readStdin() : await this.#readFile(file);
    return decodeUtf8(file, bytes);
  }

  async #readFile(file: string): Promise<Uint8Array> {
    const handle = await this.#attempt(file, "open", this.#files.open(this.#resolve(file), "r"));
    try {
      const before = await this.#attempt(file, "read", handle.stat());
      // A pipe, as of `<(kustomize build)`, has no size and no time: it is read to its end.
      if (!before.isFile()) return await this.#readToEnd(file, handle, this.#maxBytes);
      if (before.size > this.#maxBytes) throw tooLarge(file, before.size, this.#maxBytes);
      const bytes = await this.#readToEnd(file, handle, before.size);
      // By name, not by handle: editors write a new file and rename it over the old one.
      const after = await this.#stat(file);
      const same =
        after?.mtimeMs === before.mtimeMs && after.size === before.size && after.ino === before.ino;
      if (!same || bytes.length !== before.size) throw changed(file);
      return bytes;
    } finally {
      await handle.close();
    }
  }

  /** @param expected - more than this is too large for a pipe, and a change for a file */
  async #readToEnd(file: string, handle: OpenFile, expected: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, Math.max(expected - size, 0) + 1));
      const { bytesRead } = await this.#attempt(file, "read", handle.read(chunk, 0, chunk.length, null));
      if (bytesRead === 0) return Buffer.concat(chunks);
      size += bytesRead;
      if (size > this.#maxBytes) throw tooLarge(file, size, this.#maxBytes);
      if (size > expected) throw changed(file);
      chunks.push(chunk.subarray(0, bytesRead));
    }
  }

  async #readStdin(): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of this.#stdin) {
      const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
      size += bytes.length;
      if (size > this.#maxBytes) throw tooLarge(STDIN, size, this.#maxBytes);
      chunks.push(bytes);
    }
    return Buffer.concat(chunks);
  }

  /** @returns undefined when nothing is there */
  async #stat(name: string): Promise<FileStats | undefined> {
    try {
      return await this.#files.stat(this.#resolve(name));
    } catch (error) {
      if (isCode(error, "ENOENT") || isCode(error, "ENOTDIR")) return undefined;
      throw mapError(name, "open", error);
    }
  }

  async #attempt<T>(name: string, verb: "open" | "list" | "read", work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw mapError(name, verb, error);
    }
  }

  #resolve(name: string): string {
    return path.resolve(this.folder, name);
  }
}

type FolderEntryKind = Pick<FolderEntry, "isDirectory" | "isFile">;

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "it is a folder",
  ELOOP: "too many links",
  EMFILE: "too many open files",
  EIO: "the disk reports an error",
  ENAMETOOLONG: "the name is too long",
};

function mapError(name: string, verb: string, error: unknown): OpError {
  const code: FailureCode = isCode(error, "ENOENT") ? "not-found" : "file-unreadable";
  const errno = error instanceof Error && "code" in error ? String(error.code) : "unknown";
  const reason = code === "not-found" ? "it is gone" : (REASONS[errno] ?? errno);
  return new OpError(`${name}: cannot ${verb}: ${reason}`, {
    code,
    facts: { path: name, errno },
    cause: error,
  });
}

function changed(file: string): OpError {
  return new OpError(`${file}: was written to while it was read`, {
    code: "file-changed",
    facts: { path: file },
  });
}

function tooLarge(file: string, sizeBytes: number, maxBytes: number): OpError {
  return new OpError(`${file}: holds more than ${maxBytes} bytes`, {
    code: "file-too-large",
    facts: { path: file, sizeBytes, maxBytes },
  });
}

/** A byte order mark is kept: offsets in the text are then those in the file. */
function decodeUtf8(file: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    const offset = findInvalidUtf8(bytes);
    throw new OpError(
      `${file}: not UTF-8: byte ${offset} begins no character (${whereOrWhat(bytes, offset)})`,
      {
        code: "input-invalid",
        facts: { path: file, offset },
        cause: error,
      },
    );
  }
}

/** PowerShell writes UTF-16 where its output is redirected. */
function whereOrWhat(bytes: Uint8Array, offset: number): string {
  const mark = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  if (mark === 0xfffe || mark === 0xfeff) return "it is UTF-16: save it as UTF-8";
  const lines = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(0, offset)).split("\n");
  return `line ${lines.length}, column ${(lines.at(-1) ?? "").length + 1}`;
}

/** Offset of the first byte that is not part of a character. */
function findInvalidUtf8(bytes: Uint8Array): number {
  // A prefix decodes as a stream exactly if nothing in it is wrong, so the longest good one can be searched by halves.
  let good = 0;
  let bad = bytes.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (isUtf8Prefix(bytes.subarray(0, middle))) good = middle;
    else bad = middle;
  }
  // Step back over the beginning of the character that the next byte broke.
  let start = good;
  while (start > 0 && good - start < 4 && ((bytes[start - 1] ?? 0) & 0xc0) === 0x80) start--;
  const lead = bytes[start - 1] ?? 0;
  const needed = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  return needed > 1 && start - 1 + needed > good ? start - 1 : good;
}

function isUtf8Prefix(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}
