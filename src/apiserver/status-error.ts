/** @module What the API answers when it refuses: a Status, in Kubernetes' own words (apimachinery's api/errors). */
import type { JsonObject } from "./json.ts";

export interface StatusCause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

/** A request that is refused. The server turns it into a Status. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly code: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;
  constructor(code: number, reason: string, message: string, details?: StatusDetails) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  toStatus(): JsonObject {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      reason: this.reason,
      ...(this.details && { details: { ...this.details } as unknown as JsonObject }),
      code: this.code,
    };
  }
}

/** How messages name a resource: `pods`, `deployments.apps`. */
export interface Named {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
}

function qualified({ group, plural }: Named): string {
  return group === "" ? plural : `${plural}.${group}`;
}

function detailsOf(resource: Named, name: string): StatusDetails {
  return { name, ...(resource.group !== "" && { group: resource.group }), kind: resource.plural };
}

export const errors = {
  badRequest: (message: string): StatusError => new StatusError(400, "BadRequest", message),
  unauthorized: (): StatusError => new StatusError(401, "Unauthorized", "Unauthorized"),
  forbidden: (resource: Named, name: string, why: string): StatusError =>
    new StatusError(
      403,
      "Forbidden",
      `${qualified(resource)}${name === "" ? "" : ` ${JSON.stringify(name)}`} is forbidden: ${why}`,
      detailsOf(resource, name),
    ),
  pathForbidden: (user: string, verb: string, path: string): StatusError =>
    new StatusError(
      403,
      "Forbidden",
      `forbidden: User ${JSON.stringify(user)} cannot ${verb} path ${JSON.stringify(path)}`,
    ),
  notFound: (resource: Named, name: string): StatusError =>
    new StatusError(
      404,
      "NotFound",
      `${qualified(resource)} ${JSON.stringify(name)} not found`,
      detailsOf(resource, name),
    ),
  noSuchPath: (): StatusError =>
    new StatusError(404, "NotFound", "the server could not find the requested resource"),
  methodNotAllowed: (
    why: string = "the server does not allow this method on the requested resource",
  ): StatusError => new StatusError(405, "MethodNotAllowed", why),
  alreadyExists: (resource: Named, name: string): StatusError =>
    new StatusError(
      409,
      "AlreadyExists",
      `${qualified(resource)} ${JSON.stringify(name)} already exists`,
      detailsOf(resource, name),
    ),
  conflict: (resource: Named, name: string, why?: string): StatusError =>
    new StatusError(
      409,
      "Conflict",
      `Operation cannot be fulfilled on ${qualified(resource)} ${JSON.stringify(name)}: ${
        why ?? "the object has been modified; please apply your changes to the latest version and try again"
      }`,
      detailsOf(resource, name),
    ),
  applyConflict: (message: string, causes: readonly StatusCause[]): StatusError =>
    new StatusError(409, "Conflict", message, { causes }),
  expired: (message: string): StatusError => new StatusError(410, "Expired", message),
  tooLarge: (limit: number): StatusError =>
    new StatusError(413, "RequestEntityTooLarge", `Request entity too large: limit is ${limit}`),
  unsupportedMediaType: (type: string): StatusError =>
    new StatusError(
      415,
      "UnsupportedMediaType",
      `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf; not ${type}`,
    ),
  invalid: (
    kind: { readonly group: string; readonly kind: string },
    name: string,
    causes: readonly StatusCause[],
  ): StatusError => {
    const told = causes.map(({ field, message }) => `${field}: ${message}`);
    const list = told.length === 1 ? (told[0] as string) : `[${told.join(", ")}]`;
    const of = kind.group === "" ? kind.kind : `${kind.kind}.${kind.group}`;
    return new StatusError(422, "Invalid", `${of} ${JSON.stringify(name)} is invalid: ${list}`, {
      name,
      ...(kind.group !== "" && { group: kind.group }),
      kind: kind.kind,
      causes,
    });
  },
  tooManyRequests: (message: string, details?: StatusDetails): StatusError =>
    new StatusError(429, "TooManyRequests", message, details),
  internal: (message: string): StatusError =>
    new StatusError(500, "InternalError", `Internal error occurred: ${message}`),
  unavailable: (message: string): StatusError => new StatusError(503, "ServiceUnavailable", message),
  timeout: (message: string): StatusError => new StatusError(504, "Timeout", message),
} as const;
