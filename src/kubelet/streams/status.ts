/** @module What clients are told at the end, as the Status that Kubernetes has for it. */

export interface Status {
  readonly kind: "Status";
  readonly apiVersion: "v1";
  readonly metadata: object;
  readonly status: "Success" | "Failure";
  readonly message?: string;
  readonly reason?: string;
  readonly details?: { readonly causes: readonly { readonly reason?: string; readonly message: string }[] };
  readonly code?: number;
}

const HEAD = { kind: "Status", apiVersion: "v1", metadata: {} } as const;

export const SUCCESS: Status = { ...HEAD, status: "Success" };

/** A command that ran and ended so. */
export function exitStatus(code: number): Status {
  if (code === 0) return SUCCESS;
  return {
    ...HEAD,
    status: "Failure",
    message: `command terminated with non-zero exit code: exit status ${code}`,
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: String(code) }] },
  };
}

/** A command that did not run. */
export function internalError(message: string): Status {
  return {
    ...HEAD,
    status: "Failure",
    message: `Internal error occurred: ${message}`,
    reason: "InternalError",
    details: { causes: [{ message }] },
    code: 500,
  };
}

const REASONS: Readonly<Record<number, string>> = {
  400: "BadRequest",
  404: "NotFound",
  500: "InternalError",
};

export function refusalStatus(code: number, message: string): Status {
  return { ...HEAD, status: "Failure", message, reason: REASONS[code] ?? "InternalError", code };
}

/** A request that is answered with an HTTP status before anything is streamed. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
