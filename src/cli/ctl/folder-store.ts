/**
 * @module A folder of manifests as a store. A file is changed in place, and in it only what must change; it is written
 * beside itself and renamed, so that whoever reads it sees the old text or the new one. A new object gets a file of its
 * own.
 */
import { chmod, mkdir, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { must, OpError } from "../../base/errors.ts";
import { formatIssue, formatPosition } from "../../base/issue.ts";
import { readInputs } from "../read-files.ts";
import { editYaml, newFileText } from "./edit-yaml.ts";
import { type JsonObject, listAt } from "./json.ts";
import {
  errorsOf,
  type Manifest,
  type ManifestObject,
  type ObjectRef,
  parseManifest,
  refKey,
  refText,
} from "./manifest.ts";
import type { NewObject, Store, StoredObject, Written } from "./store.ts";

export interface FolderOptions {
  /** Relative paths start here. */
  readonly folder: string;
  /** Patterns of files that are not read. */
  readonly exclude?: readonly string[];
  /** Everything but the writing. */
  readonly dryRun: boolean;
  /** Whether the store is about to be written to: it is made where it is missing. */
  readonly isWritten: boolean;
}

interface Entry extends StoredObject {
  readonly object: ManifestObject;
}

/** @throws OpError as `readInputs` */
export async function openFolder(name: string, options: FolderOptions): Promise<FolderStore> {
  const texts = (await isMissing(path.resolve(options.folder, name), options))
    ? []
    : await readInputs([name], { folder: options.folder, exclude: options.exclude ?? [] });
  return new FolderStore(name, options, texts);
}

/** Only a store that is about to be written to may be missing. */
async function isMissing(folder: string, { isWritten }: FolderOptions): Promise<boolean> {
  const found = await stat(folder).catch(() => undefined);
  return found === undefined && isWritten;
}

export class FolderStore implements Store {
  readonly name: string;
  readonly #options: FolderOptions;
  /** By file, as it was named when read. */
  readonly #manifests = new Map<string, Manifest>();
  readonly #entries = new Map<string, Entry>();

  constructor(name: string, options: FolderOptions, texts: readonly { file: string; text: string }[]) {
    this.name = name;
    this.#options = options;
    for (const { file, text } of texts) this.#manifests.set(file, parseManifest(file, text));
    this.#index();
  }

  /** The texts as they are now, for whoever reads the folder as a cluster. */
  get texts(): readonly { readonly file: string; readonly text: string; readonly scanned: boolean }[] {
    return [...this.#manifests.values()].map(({ file, text }) => ({ file, text, scanned: true }));
  }

  /** Files that are not YAML: what stands in them nobody knows. */
  get broken(): readonly Manifest[] {
    return [...this.#manifests.values()].filter(({ issues }) => errorsOf(issues).length > 0);
  }

  list(): readonly StoredObject[] {
    return [...this.#entries.values()];
  }

  find(ref: ObjectRef): StoredObject | undefined {
    return this.#entries.get(refKey(ref));
  }

  async create({ ref, value, text }: NewObject): Promise<Written> {
    const file = await this.#newFile(ref);
    const content = newFileText(value, text);
    const written = this.#checked(parseManifest(file, content), ref);
    if (written.kind === "written") await this.#write(file, undefined, content);
    return written;
  }

  async replace(ref: ObjectRef, value: JsonObject): Promise<Written> {
    const { object } = this.#entry(ref);
    const manifest = this.#manifest(object.file);
    const changed = this.#withDocument(manifest, object, value);
    if (changed.text === manifest.text) return { kind: "written", stored: this.#entry(ref) };
    const written = this.#checked(changed, ref);
    if (written.kind === "written") await this.#write(manifest.file, manifest.text, changed.text);
    return written;
  }

  async delete(ref: ObjectRef): Promise<void> {
    const { object } = this.#entry(ref);
    const manifest = this.#manifest(object.file);
    const isAlone = manifest.objects.length + manifest.others.length === 1;
    if (isAlone) {
      await this.#write(manifest.file, manifest.text, undefined);
      return;
    }
    const items = listAt(must(manifest.values[object.document], "document"), "items");
    const changed =
      object.item !== undefined && items.length > 1
        ? this.#withDocument(manifest, object, undefined).text
        : withoutDocument(manifest, object.document);
    await this.#write(manifest.file, manifest.text, changed);
  }

  // ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #entry(ref: ObjectRef): Entry {
    return must(this.#entries.get(refKey(ref)), refText(ref));
  }

  /** @throws OpError `input-invalid` for a file that is not YAML throughout: no text of it may be relied on */
  #manifest(file: string): Manifest {
    const manifest = must(this.#manifests.get(file), file);
    const [first] = errorsOf(manifest.issues);
    if (first)
      throw new OpError(`${file} is not written to while it is not YAML: ${formatIssue(first)}`, {
        code: "input-invalid",
      });
    return manifest;
  }

  /** @param value - undefined takes an item out of its list. @throws OpError `input-invalid` */
  #withDocument(manifest: Manifest, object: ManifestObject, value: JsonObject | undefined): Manifest {
    const span = must(manifest.spans[object.document], "span");
    const before = must(manifest.values[object.document], "document");
    const after = object.item === undefined ? must(value, "value") : withItem(before, object.item, value);
    const edited = editYaml(manifest.text.slice(span.start, span.end), before, after);
    if (edited === undefined) {
      const place = object.source.locate("");
      throw new OpError(
        `${place ? formatPosition(place) : manifest.file}: ${refText(object.ref)} cannot be changed in place, for its text uses anchors, tags or a layout of its own: edit the file`,
        { code: "input-invalid" },
      );
    }
    return parseManifest(
      manifest.file,
      manifest.text.slice(0, span.start) + edited + manifest.text.slice(span.end),
    );
  }

  #checked(manifest: Manifest, ref: ObjectRef): Written {
    const object = must(
      manifest.objects.find((one) => refKey(one.ref) === refKey(ref)),
      refText(ref),
    );
    const issues = errorsOf(object.check());
    if (issues.length > 0) return { kind: "invalid", issues };
    return { kind: "written", stored: { ref, value: object.value, place: manifest.file } };
  }

  async #newFile({ kind, namespace, name }: ObjectRef): Promise<string> {
    const words = [kind.words[0], ...(namespace === "" ? [] : [namespace]), name];
    const base = words.join("-").replace(/[^A-Za-z0-9._-]/g, "_");
    for (let number = 1; ; number++) {
      const file = path.join(this.name, `${base}${number === 1 ? "" : `-${number}`}.yaml`);
      if (this.#manifests.has(file)) continue;
      if (!(await stat(this.#resolve(file)).catch(() => undefined))) return file;
    }
  }

  /**
   * @param before - what the file must still say; undefined: it must not be there
   * @param after - undefined removes it
   * @throws OpError `file-changed` when somebody else wrote to it, `output-failed`
   */
  async #write(file: string, before: string | undefined, after: string | undefined): Promise<void> {
    if (!this.#options.dryRun) {
      try {
        await writeWhole(this.#resolve(file), before, after);
      } catch (error) {
        if (error instanceof OpError) throw error;
        const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
        throw new OpError(`${file}: could not be written: ${reason}`, {
          code: "output-failed",
          cause: error,
        });
      }
    }
    if (after === undefined) this.#manifests.delete(file);
    else this.#manifests.set(file, parseManifest(file, after));
    this.#index();
  }

  #index(): void {
    this.#entries.clear();
    for (const { objects, file } of this.#manifests.values()) {
      for (const object of objects) {
        const key = refKey(object.ref);
        if (object.ref.name === "" || this.#entries.has(key)) continue;
        this.#entries.set(key, { ref: object.ref, value: object.value, place: file, object });
      }
    }
  }

  #resolve(file: string): string {
    return path.resolve(this.#options.folder, file);
  }
}

function withItem(list: JsonObject, index: number, value: JsonObject | undefined): JsonObject {
  const items = [...listAt(list, "items")];
  if (value === undefined) items.splice(index, 1);
  else items[index] = value;
  return { ...list, items };
}

/** With the marker line before it; the text between the others stays. */
function withoutDocument({ text, spans }: Manifest, document: number): string {
  const { start, end } = must(spans[document], "span");
  const rest = text.slice(0, start) + text.slice(end);
  // What was the second document needs no marker before it.
  return start === 0 || text.slice(0, start).trim() === "" ? rest.replace(/^\s*---[ \t]*\r?\n/, "") : rest;
}

async function writeWhole(
  file: string,
  before: string | undefined,
  after: string | undefined,
): Promise<void> {
  // The file that a link leads to, not the link.
  const target = before === undefined ? file : await realpath(file);
  const now = await readFile(target, "utf8").catch(() => undefined);
  if (now !== before) {
    throw new OpError(`${file}: was written to by somebody else: nothing was changed`, {
      code: "file-changed",
    });
  }
  if (after === undefined) {
    await rm(target);
    return;
  }
  await mkdir(path.dirname(target), { recursive: true });
  const beside = path.join(path.dirname(target), `.${path.basename(target)}.${process.pid}.tmp`);
  try {
    await writeFile(beside, after, { flag: "wx" });
    if (before !== undefined) await chmod(beside, (await stat(target)).mode);
    await rename(beside, target);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}
