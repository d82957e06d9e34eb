/** @module An issue is something wrong in a user's document: data, with a code and a place, never thrown. */

export type Severity = "error" | "warning";

/** Where something stands in a file. Lines and columns count from 1, as editors do. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface Issue {
  /** Stable, kebab-case, safe to match on: `unknown-field`, `invalid-cidr` … */
  readonly code: string;
  readonly severity: Severity;
  /** One sentence, lower case, in Kubernetes' own wording where it has one. */
  readonly message: string;
  /** Path of the field inside its object, as the API server writes it: `spec.ingress[0].from[1].ipBlock.cidr`. */
  readonly path?: string;
  /** `NetworkPolicy default/db-policy`, where the object could be named. */
  readonly object?: string;
  readonly position?: Position;
  /** What to do about it, where there is one thing to do. */
  readonly hint?: string;
  /**
   * No object could be read from here, or none that has a place: an answer without it may be wider than what was written,
   * so there is none.
   */
  readonly unread?: true;
}

/** `file:line:column`, the form that editors and terminals make clickable. */
export function formatPosition(position: Position): string {
  return `${position.file}:${position.line}:${position.column}`;
}

/** One line for people: place, severity, object, path, message. */
export function formatIssue(issue: Issue): string {
  const place = issue.position ? `${formatPosition(issue.position)}: ` : "";
  const object = issue.object ? `${issue.object}: ` : "";
  const path = issue.path ? `${issue.path}: ` : "";
  const hint = issue.hint ? ` (${issue.hint})` : "";
  return `${place}${issue.severity}: ${object}${path}${issue.message}${hint} [${issue.code}]`;
}
