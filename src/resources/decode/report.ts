/** @module Collects what is wrong in one object, with the object's name and the place in its file. */
import type { Issue, Severity } from "../../base/issue.ts";
import type { Source } from "../source.ts";

export interface Finding {
  readonly code: string;
  /** Path inside the object. */
  readonly path: string;
  readonly message: string;
  readonly hint?: string | undefined;
  /** A place inside the text at `path`, from 0. */
  readonly offset?: number;
  /** See `Issue`. */
  readonly unread?: true;
}

export interface ReportOptions {
  /** What a key that the format does not know is: the API server drops it, our own formats refuse it. */
  readonly unknownField: Severity;
  /** Whether `yes`, `no`, `on`, `off`, `y` and `n` are strings where a string is wanted (YAML 1.2), or booleans (kubectl). */
  readonly booleanWords: "strings" | "booleans";
}

const KUBERNETES: ReportOptions = { unknownField: "warning", booleanWords: "booleans" };

export class Report {
  readonly source: Source;
  readonly options: ReportOptions;
  readonly issues: Issue[] = [];
  /** Set once the object's name has been read; issues from then on carry it. */
  object: string | undefined;

  constructor(source: Source, options: ReportOptions = KUBERNETES) {
    this.source = source;
    this.options = options;
  }

  error(finding: Finding): void {
    this.add("error", finding);
  }

  warn(finding: Finding): void {
    this.add("warning", finding);
  }

  /** That what stands at `path` has no reading at all. Said of what was reported there, or by itself. */
  markUnread(path: string, message: string): void {
    const at = this.issues.findLastIndex(
      (issue) => (issue.path ?? "") === path && issue.severity === "error",
    );
    const reported = this.issues[at];
    if (reported) this.issues[at] = { ...reported, unread: true };
    else this.error({ code: "no-object", path, message, unread: true });
  }

  /** The position is looked up here: only what is reported pays for it. */
  add(severity: Severity, { code, path, message, hint, offset, unread }: Finding): void {
    const position = this.source.locate(path, offset);
    this.issues.push({
      code,
      severity,
      message,
      ...(path === "" ? {} : { path }),
      ...(this.object === undefined ? {} : { object: this.object }),
      ...(position ? { position } : {}),
      ...(hint === undefined ? {} : { hint }),
      ...(unread && { unread }),
    });
  }
}
