/**
 * @module Which images are known. Users add their own in YAML, which wins over ours:
 *
 * ```yaml
 * images:
 * - image: registry.example.com/shop/*     # `*`: any characters; a tag may follow the name
 *   serves:
 *   - {port: 8080, answers: http, body: "hello from {pod}\n"}
 *   - {port: 3306, answers: mysql}
 * - image: example/tool
 *   shell: true                             # its commands run as processes; `sh` without one
 *   command: [sh, -c, "sleep infinity"]
 * - image: example/broken
 *   exists: false                           # ErrImagePull
 * ```
 */
import { createHash } from "node:crypto";
import { load } from "js-yaml";
import type { Issue } from "../../base/issue.ts";
import { DEFAULT_IMAGES } from "./default-catalogue.ts";
import type { Answer, Image, ServedPort } from "./image.ts";
import { ANSWERS, NO_IMAGE } from "./image.ts";
import type { ImageReference } from "./reference.ts";
import { parseReference } from "./reference.ts";

export interface FoundImage {
  readonly reference: ImageReference;
  readonly image: Image;
  /** Equal references have equal ids, on every machine. */
  readonly id: string;
}

interface Entry {
  readonly image: Image;
  readonly matches: RegExp;
  readonly withTag: boolean;
}

const UNKNOWN: Image = { ...NO_IMAGE, pattern: "*", kind: "unknown" };

function entryOf(image: Image): Entry {
  const withTag = image.pattern.indexOf(":", image.pattern.lastIndexOf("/") + 1) > 0;
  const escaped = image.pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
  return { image, withTag, matches: new RegExp(`^${escaped}$`) };
}

export class ImageCatalogue {
  /** The first that matches holds. */
  #entries: readonly Entry[];

  constructor(images: readonly Image[] = DEFAULT_IMAGES) {
    this.#entries = images.map(entryOf);
  }

  /** @returns undefined for a text that names no image */
  find(text: string): FoundImage | undefined {
    const reference = parseReference(text);
    if (!reference) return undefined;
    const tagged = `${reference.repository}:${reference.tag ?? ""}`;
    const short = reference.repository.replace(/^docker\.io\/(library\/)?/, "");
    const shortTagged = `${short}:${reference.tag ?? ""}`;
    const found = this.#entries.find(({ matches, withTag }) =>
      withTag
        ? matches.test(tagged) || matches.test(shortTagged)
        : matches.test(reference.repository) || matches.test(short),
    );
    const id = `sha256:${createHash("sha256").update(reference.text).digest("hex")}`;
    return { reference, image: found?.image ?? UNKNOWN, id };
  }

  /** Adds before those there are. @returns what is wrong; a wrong entry is left out */
  load(text: string, file = "images"): readonly Issue[] {
    const issues: Issue[] = [];
    const images = readCatalogue(text, (path, message) => {
      issues.push({ code: "invalid-image", severity: "error", message, path, object: file });
    });
    this.#entries = [...images.map(entryOf), ...this.#entries];
    return issues;
  }
}

/** A catalogue of ours and the user's. */
export function loadCatalogue(text: string): {
  readonly catalogue: ImageCatalogue;
  readonly issues: readonly Issue[];
} {
  const catalogue = new ImageCatalogue();
  return { issues: catalogue.load(text), catalogue };
}

type Report = (path: string, message: string) => void;
type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readCatalogue(text: string, report: Report): Image[] {
  let document: unknown;
  try {
    document = load(text);
  } catch (error) {
    report("", error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error));
    return [];
  }
  const images = isFields(document) ? document["images"] : undefined;
  if (!Array.isArray(images)) {
    report("images", "must be a list of images");
    return [];
  }
  return images.flatMap((value: unknown, index) => {
    const problems: string[] = [];
    const image = readImage(value, `images[${index}]`, (path, message) => {
      problems.push(path);
      report(path, message);
    });
    return image && problems.length === 0 ? [image] : [];
  });
}

const FIELDS = [
  "image",
  "exists",
  "shell",
  "command",
  "entrypoint",
  "serves",
  "pages",
  "documentRoot",
  "env",
];

function readImage(value: unknown, path: string, report: Report): Image | undefined {
  if (!isFields(value)) {
    report(path, "must be an object");
    return undefined;
  }
  for (const name of Object.keys(value))
    if (!FIELDS.includes(name))
      report(`${path}.${name}`, `unknown field "${name}"; known: ${FIELDS.join(", ")}`);
  const pattern = value["image"];
  if (typeof pattern !== "string" || pattern === "") {
    report(`${path}.image`, "must be an image's name, as in docker.io/library/nginx");
    return undefined;
  }
  const serves = readServes(value["serves"], `${path}.serves`, report);
  const shell = readBoolean(value["shell"], `${path}.shell`, report) ?? false;
  const command = readWords(value["command"], `${path}.command`, report);
  const root = value["documentRoot"];
  if (root !== undefined && typeof root !== "string") report(`${path}.documentRoot`, "must be a path");
  return {
    ...NO_IMAGE,
    pattern,
    kind: shell || (command.length > 0 && serves.length === 0) ? "process" : "server",
    exists: readBoolean(value["exists"], `${path}.exists`, report) ?? true,
    serves,
    command: command.length > 0 ? command : shell ? ["sh"] : [],
    entrypoint: readWords(value["entrypoint"], `${path}.entrypoint`, report),
    pages: readTexts(value["pages"], `${path}.pages`, report),
    documentRoot: typeof root === "string" ? root : undefined,
    env: Object.entries(readTexts(value["env"], `${path}.env`, report)),
  };
}

function readBoolean(value: unknown, path: string, report: Report): boolean | undefined {
  if (value === undefined || typeof value === "boolean") return value;
  report(path, "must be true or false");
  return undefined;
}

function readWords(value: unknown, path: string, report: Report): readonly string[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.every((word) => typeof word === "string")) return value;
  report(path, "must be a list of words");
  return [];
}

function readTexts(value: unknown, path: string, report: Report): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  if (!isFields(value)) {
    report(path, "must be an object of texts");
    return {};
  }
  return Object.fromEntries(Object.entries(value).map(([name, text]) => [name, String(text)]));
}

function readServes(value: unknown, path: string, report: Report): readonly ServedPort[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) {
    report(path, "must be a list of ports");
    return [];
  }
  return value.flatMap((one: unknown, index) => {
    const port = readPort(one, `${path}[${index}]`, report);
    return port ? [port] : [];
  });
}

const PROTOCOLS = ["TCP", "UDP", "SCTP"] as const;

function readPort(value: unknown, path: string, report: Report): ServedPort | undefined {
  const fields = isFields(value) ? value : { port: value };
  const { port, protocol = "TCP", answers = fields["body"] === undefined ? "any" : "http", body } = fields;
  if (typeof port !== "number" || !Number.isInteger(port) || port < 1 || port > 65_535) {
    report(`${path}.port`, "must be a port number, 1 to 65535");
    return undefined;
  }
  const known = PROTOCOLS.find((one) => one === protocol);
  const answer = ANSWERS.find((one): one is Answer => one === answers);
  if (!known) report(`${path}.protocol`, `must be one of ${PROTOCOLS.join(", ")}`);
  if (!answer) report(`${path}.answers`, `must be one of ${ANSWERS.join(", ")}`);
  if (body !== undefined && typeof body !== "string") report(`${path}.body`, "must be a text");
  if (!known || !answer) return undefined;
  return { port, protocol: known, answers: answer, ...(typeof body === "string" ? { body } : {}) };
}
