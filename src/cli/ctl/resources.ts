/** @module The objects that files on the command line hold. */
import { stat } from "node:fs/promises";
import path from "node:path";
import { OpError } from "../../base/errors.ts";
import { formatPosition, type Issue } from "../../base/issue.ts";
import type { Io } from "../io.ts";
import { readInputs } from "../read-files.ts";
import { type JsonObject, textAt, withValueAt } from "./json.ts";
import {
  errorsOf,
  issueLines,
  type Manifest,
  type ManifestObject,
  type ObjectRef,
  parseManifest,
  refText,
} from "./manifest.ts";

export interface ResourceOptions {
  readonly filename: readonly string[];
  /** Patterns of files that are not read. */
  readonly exclude?: readonly string[];
  readonly recursive?: boolean;
  readonly skipEmpty?: boolean;
  /** Of objects that name none; what names another is refused. */
  readonly namespace?: string;
}

export interface Resource {
  readonly ref: ObjectRef;
  /** With the namespace that the command line gave it. */
  readonly value: JsonObject;
  /** As it was written, where it is a document of its own and nothing was added to it. */
  readonly text?: string;
  readonly object: ManifestObject;
}

export interface Resources {
  readonly found: readonly Resource[];
  /** What is there and cannot be taken, each with its place. */
  readonly refused: readonly { readonly message: string }[];
}

/** @throws OpError as `readInputs`; `input-invalid` for a text that is not YAML, and where nothing is in it */
export async function readResources(io: Io, options: ResourceOptions): Promise<Resources> {
  if (options.filename.length === 0)
    throw new OpError("no resources: name files or folders with -f (or - for standard input)", {
      code: "input-invalid",
    });
  const manifests = await readManifests(io, options);
  const broken = manifests.flatMap(({ issues }) => errorsOf(issues));
  if (broken.length > 0) {
    for (const line of issueLines(broken)) io.err(line);
    throw new OpError("failed to execute command: the input is not YAML, and nothing was done", {
      code: "input-invalid",
    });
  }
  const found: Resource[] = [];
  const refused: { message: string }[] = [];
  for (const manifest of manifests) {
    for (const { what, source } of manifest.others) {
      const place = source.locate("");
      const where = place ? `${formatPosition(place)}: ` : "";
      refused.push({ message: `${where}resource type not supported: ${what}` });
    }
    for (const object of manifest.objects) {
      const mismatch = namespaceMismatch(object, options.namespace);
      if (mismatch === undefined) found.push(resourceOf(manifest, object, options.namespace));
      else {
        const place = object.source.locate("metadata.namespace");
        const where = place ? `${formatPosition(place)}: ` : "";
        refused.push({ message: `${where}${refText(object.ref)}: ${mismatch}` });
      }
    }
  }
  if (found.length === 0 && refused.length === 0 && !options.skipEmpty)
    throw new OpError(`no resources specified in ${options.filename.join(", ")}`, { code: "input-invalid" });
  return { found, refused };
}

/** Folders are not entered deeper than `-R` allows. */
export async function readManifests(
  io: Io,
  { filename, exclude = [], recursive, namespace }: ResourceOptions,
): Promise<Manifest[]> {
  const texts = await readInputs(filename, { folder: io.folder, stdin: io.stdin, exclude });
  const flat: string[] = [];
  for (const name of filename) {
    const found = name === "-" ? undefined : await stat(path.resolve(io.folder, name)).catch(() => undefined);
    if (found?.isDirectory() && !recursive) flat.push(path.resolve(io.folder, name));
  }
  const isBelow = (file: string): boolean => {
    const folder = path.dirname(path.resolve(io.folder, file));
    return !flat.includes(folder) && flat.some((top) => folder.startsWith(`${top}${path.sep}`));
  };
  return texts
    .filter(({ file, scanned }) => !(scanned && isBelow(file)))
    .map(({ file, text, scanned }) => {
      const manifest = parseManifest(file, text, namespace);
      // What a folder holds besides objects is another program's.
      return scanned ? { ...manifest, others: manifest.others.filter(({ isObject }) => isObject) } : manifest;
    });
}

function namespaceMismatch(
  { ref, value }: ManifestObject,
  namespace: string | undefined,
): string | undefined {
  const own = textAt(value, "metadata", "namespace");
  if (!ref.kind.isNamespaced || own === "" || namespace === undefined || own === namespace) return undefined;
  return `resource namespace does not match client namespace. ${own} != ${namespace}`;
}

function resourceOf(manifest: Manifest, object: ManifestObject, namespace: string | undefined): Resource {
  const { ref, value } = object;
  const needsNamespace =
    ref.kind.isNamespaced && namespace !== undefined && textAt(value, "metadata", "namespace") === "";
  if (needsNamespace) return { ref, object, value: withValueAt(value, ["metadata", "namespace"], namespace) };
  const span = manifest.spans[object.document];
  const text = object.item === undefined && span ? manifest.text.slice(span.start, span.end) : undefined;
  return { ref, object, value, ...(text !== undefined && !/^\s*\{/.test(text) && { text }) };
}

/** What is wrong with an object that was read: nothing of it may be written then. */
export function problemsOf(resource: Resource): readonly Issue[] {
  return errorsOf(resource.object.check());
}
