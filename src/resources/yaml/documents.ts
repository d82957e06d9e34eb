/**
 * @module YAML and JSON texts to values, each knowing where it stands.
 *
 * Every document is parsed on its own: what is wrong in one is an issue, and the others are read all the same. Positions
 * are found by parsing the one document again, and only when somebody asks.
 */
import { EVENT_ID, type Event, parseEvents, YAMLException } from "js-yaml";
import type { Issue, Position } from "../../base/issue.ts";
import type { Source } from "../source.ts";
import { type Construction, type ConstructMode, construct } from "./construct.ts";
import { ConstructError } from "./construct-error.ts";
import { parsePath } from "./field-path.ts";
import { EventTree } from "./locate.ts";
import { scanJson } from "./scan-json.ts";
import { type Span, splitDocuments } from "./split-documents.ts";
import { TextIndex } from "./text-index.ts";

export interface YamlDocument {
  /**
   * Strings, numbers, booleans, null, arrays and plain objects; also `BooleanWord` and `UNREADABLE` (see `scalars.ts`
   * and `construct.ts`). Parts that aliases share are the same object; nothing is cyclic.
   */
  readonly value: unknown;
  readonly source: Source;
}

export interface ParsedText {
  /** In the order written, empty documents left out. */
  readonly documents: readonly YamlDocument[];
  readonly issues: readonly Issue[];
}

/** More than any Kubernetes object nests, and far less than the parser's stack holds. Wherever a text is read. */
export const MAX_DEPTH = 500;

/**
 * @param file - the name that positions carry
 * @param mode - `json`: the values are what kubectl would send, with nothing left open
 */
export function parseDocuments(file: string, text: string, mode: ConstructMode = "values"): ParsedText {
  const index = new TextIndex(file, text);
  const nul = text.indexOf("\0");
  if (nul >= 0) {
    const position = index.position(nul);
    return {
      documents: [],
      issues: [
        {
          code: "not-text",
          severity: "error",
          message: "not a text: it contains a NUL byte",
          position,
          unread: true,
        },
      ],
    };
  }
  const documents: YamlDocument[] = [];
  const issues: Issue[] = [];
  for (const span of splitDocuments(text)) {
    const source = new DocumentSource(index, span);
    const construction = readDocument(source, issues, mode);
    if (!construction) continue;
    for (const duplicate of construction.duplicates) {
      issues.push({
        code: "yaml-duplicate-key",
        severity: "error",
        message: `key "${duplicate.key}" already set in map`,
        path: duplicate.path,
        position: source.position(duplicate.offset),
      });
    }
    if (construction.value !== null) documents.push({ value: construction.value, source });
  }
  return { documents, issues };
}

function readDocument(
  source: DocumentSource,
  issues: Issue[],
  mode: ConstructMode,
): Construction | undefined {
  const text = source.text();
  try {
    return readJson(text) ?? construct(parse(text), text, mode);
  } catch (error) {
    issues.push(describeError(error, text, source));
    return undefined;
  }
}

/** @returns undefined where the text is not JSON, or is better read as YAML */
function readJson(text: string): Construction | undefined {
  if (!/^\s*[{[]/.test(text)) return undefined;
  const scan = scanJson(text, MAX_DEPTH);
  if (scan.duplicates.length > 0 || scan.depth > MAX_DEPTH) return undefined;
  try {
    return { value: JSON.parse(text), duplicates: [] };
  } catch (error) {
    // Not JSON, then: a flow mapping of YAML also starts with a brace, and that reader has the better messages.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** @throws YAMLException for what is not YAML, or nests deeper than MAX_DEPTH; ConstructError for tags of one's own making */
function parse(text: string): Event[] {
  // JSON may be indented with tabs, YAML not. They are replaced one for one, which leaves every offset as it was.
  const events = parseEvents(/^\s*[{[]/.test(text) ? text.replaceAll("\t", " ") : text, {
    maxDepth: MAX_DEPTH,
  });
  // `%TAG ! tag:yaml.org,2002:` makes `!int` another word for `!!int`: nobody writes that, and nobody is to be fooled by it.
  const [document] = events;
  if (document?.type === EVENT_ID.DOCUMENT && document.directives.some(({ kind }) => kind === "tag"))
    throw new ConstructError("yaml-syntax", "%TAG is not supported", 0);
  return events;
}

/**
 * js-yaml keeps to YAML 1.2 where kubectl's reader does not: all lines of a quoted text or of a bracket must be indented
 * further than the key that they belong to, the last one included.
 */
const HINTS: Readonly<Record<string, string>> = {
  "deficient indentation": "indent every line of a quoted text or a bracket further than its key",
};

function describeError(error: unknown, text: string, source: DocumentSource): Issue {
  if (error instanceof ConstructError) {
    return {
      code: error.code,
      severity: "error",
      message: error.message,
      position: source.position(error.offset),
      unread: true,
      // `name: {{ .Release.Name }}` is a mapping whose key is one.
      ...(error.code === "yaml-syntax" && isTemplate(text) && { hint: TEMPLATE_HINT }),
    };
  }
  if (!(error instanceof YAMLException)) throw error;
  const offset = Math.min(error.mark?.position ?? 0, text.length);
  if (error.reason.startsWith("nesting exceeded")) {
    const message = `nested deeper than ${MAX_DEPTH} levels`;
    return {
      code: "yaml-too-deep",
      severity: "error",
      message,
      position: source.position(offset),
      unread: true,
    };
  }
  const tab = findIndentingTab(text, offset);
  if (tab !== undefined) {
    return {
      code: "yaml-tab",
      severity: "error",
      message: "found a tab character where an indentation space is expected",
      position: source.position(tab),
      unread: true,
      hint: "indent with spaces",
    };
  }
  const hint = isTemplate(text) ? TEMPLATE_HINT : HINTS[error.reason];
  return {
    code: "yaml-syntax",
    severity: "error",
    message: error.reason,
    position: source.position(offset),
    unread: true,
    ...(hint === undefined ? {} : { hint }),
  };
}

const TEMPLATE_HINT = "a template: render it first, as with helm template";

/** `{{ … }}` of Helm and its like, which is no YAML. */
function isTemplate(text: string): boolean {
  return /\{\{.*\}\}/.test(text);
}

/**
 * A tab in the indentation confuses a YAML parser in many ways, and often only on the line after it, so the message is
 * decided by the text: a tab that indents the line of the error or the line before is taken for the cause.
 */
function findIndentingTab(text: string, offset: number): number | undefined {
  const line = text.lastIndexOf("\n", offset - 1) + 1;
  const before = line === 0 ? 0 : text.lastIndexOf("\n", line - 2) + 1;
  for (const start of [before, line]) {
    const indent = /^ *\t/.exec(text.slice(start, start + 1000));
    if (indent) return start + indent[0].length - 1;
  }
  return undefined;
}

/** One document of a file. Parses it, once, when the first position is asked for. */
class DocumentSource implements Source {
  readonly file: string;
  readonly #index: TextIndex;
  readonly #span: Span;
  #tree: EventTree | undefined;

  constructor(index: TextIndex, span: Span) {
    this.file = index.file;
    this.#index = index;
    this.#span = span;
  }

  text(): string {
    return this.#index.text.slice(this.#span.start, this.#span.end);
  }

  position(offset: number): Position {
    return this.#index.position(this.#span.start + offset);
  }

  locate(path: string, inside?: number): Position | undefined {
    this.#tree ??= parseTree(this.text());
    const offset = this.#tree.locate(parsePath(path), inside);
    return this.position(offset ?? 0);
  }
}

/** @returns a tree without nodes for JSON that the YAML parser cannot read; its positions are the document's start */
function parseTree(text: string): EventTree {
  try {
    return new EventTree(parse(text), text);
  } catch (error) {
    if (error instanceof YAMLException || error instanceof ConstructError) return new EventTree([], text);
    throw error;
  }
}
