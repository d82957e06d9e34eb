/** @module What the API says of itself: version, OpenAPI; and the fields that it checks by it. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { FieldCheck } from "../apiserver/exchange.ts";
import { stringAt } from "../apiserver/json.ts";
import type { CheckFields } from "../apiserver/operations.ts";
import { apiVersionOf } from "../apiserver/operations.ts";
import {
  openapiV2Document,
  openapiV3Document,
  openapiV3Index,
} from "../apiserver/schema/openapi-documents.ts";
import { type Schema, Schemas } from "../apiserver/schema/schema.ts";
import { type FieldError, prune, typeErrors, unknownFields } from "../apiserver/schema/validate-fields.ts";
import type { ServedResource } from "../apiserver/served.ts";
import type { Documents } from "../apiserver/served-documents.ts";
import { errors, type StatusCause, type StatusError } from "../apiserver/status-error.ts";
import { setOwn } from "../base/own.ts";
import { assetPath } from "./assets.ts";

/** The Kubernetes whose API this is. */
export const KUBERNETES_VERSION = "v1.34.0";

const VERSION = {
  major: "1",
  minor: "34",
  gitVersion: `${KUBERNETES_VERSION}+tortie`,
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "",
  compiler: "",
  platform: `linux/${process.arch === "x64" ? "amd64" : process.arch}`,
} as const;

/** For kinds of one's own a wrong type is a fault of the object; of built-in ones it is one of its text. */
function invalidField({ path, message }: FieldError): StatusCause {
  return { reason: "FieldValueTypeInvalid", message, field: path };
}

/** Read when first asked for: it takes some milliseconds, and most starts end without a question. */
export class ApiDocuments implements Documents {
  readonly version: Documents["version"] = VERSION;
  readonly #resources: () => readonly ServedResource[];
  #schemas: Schemas | undefined;
  readonly #registered = new Map<string, object>();
  readonly #texts = new Map<string, string>();

  constructor(resources: () => readonly ServedResource[]) {
    this.#resources = resources;
  }

  #loaded(): Schemas {
    this.#schemas ??= new Schemas(JSON.parse(readFileSync(assetPath("openapi.json"), "utf8")) as never);
    const now = new Map<string, object>();
    for (const resource of this.#resources()) {
      if (!resource.openApiSchema) continue;
      const name = `${apiVersionOf(resource)} ${resource.kind}`;
      now.set(name, resource.openApiSchema);
      if (this.#registered.get(name) === resource.openApiSchema) continue;
      this.#schemas.register(apiVersionOf(resource), resource.kind, resource.openApiSchema as never);
      this.#texts.clear();
    }
    for (const name of this.#registered.keys()) {
      if (now.has(name)) continue;
      const [apiVersion = "", kind = ""] = name.split(" ");
      this.#schemas.unregister(apiVersion, kind);
      this.#texts.clear();
    }
    this.#registered.clear();
    for (const [name, schema] of now) this.#registered.set(name, schema);
    return this.#schemas;
  }

  /** @returns undefined where nothing is known of the kind's fields */
  schemaOf(resource: ServedResource): Schema | undefined {
    if (resource.schemaless && !resource.openApiSchema) return undefined;
    return this.#loaded().schemaOf(apiVersionOf(resource), resource.kind);
  }

  #text(name: string, make: (schemas: Schemas) => unknown): string {
    const schemas = this.#loaded();
    const known = this.#texts.get(name);
    if (known !== undefined) return known;
    const text = JSON.stringify(make(schemas));
    this.#texts.set(name, text);
    return text;
  }

  openApiV2(): string {
    return this.#text("v2", (schemas) => openapiV2Document(this.#resources(), schemas));
  }

  openApiV3Index(): string {
    const groups = new Map(this.#resources().map((one) => [apiVersionOf(one), one]));
    return JSON.stringify(
      openapiV3Index(
        [...groups.values()].map(({ group, version }) => {
          const text = this.openApiV3(group, version) ?? "";
          return { group, version, hash: createHash("sha256").update(text).digest("hex").toUpperCase() };
        }),
      ),
    );
  }

  openApiV3(group: string, version: string): string | undefined {
    const resources = this.#resources().filter((one) => one.group === group && one.version === version);
    if (resources.length === 0) return undefined;
    return this.#text(`v3 ${group}/${version}`, (schemas) =>
      openapiV3Document(group, version, resources, schemas),
    );
  }

  /**
   * Fields that are not known, and those that stand twice, are refused, told of, or passed over, as the client asks. In no
   * case are unknown ones kept.
   */
  readonly checkFields = ({ mode, warn, duplicates }: FieldCheck): CheckFields => {
    return (resource, object) => {
      const schema = this.schemaOf(resource);
      if (schema) checkTypes(resource, object, schema);
      const unknown = schema ? unknownFields(object, schema) : [];
      const words = [...duplicates, ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`)];
      if (mode === "Strict" && words.length > 0)
        throw notHandled(resource, `strict decoding error: ${words.join(", ")}`);
      if (mode === "Warn") for (const word of words) warn(word);
      if (!schema || unknown.length === 0) return;
      const pruned = prune(object, schema);
      for (const field of Object.keys(object)) if (!Object.hasOwn(pruned, field)) delete object[field];
      for (const field of Object.keys(pruned)) setOwn(object, field, pruned[field]);
    };
  };
}

/** @throws StatusError 400, 422 */
function checkTypes(resource: ServedResource, object: Record<string, unknown>, schema: Schema): void {
  const wrongs = typeErrors(object, schema);
  if (wrongs.length > 0 && resource.openApiSchema) {
    const name = stringAt(object, "metadata", "name") ?? "";
    throw errors.invalid(resource, name, wrongs.map(invalidField));
  }
  const [wrong] = wrongs;
  if (wrong) throw notHandled(resource, wrong.message);
}

function notHandled(resource: ServedResource, why: string): StatusError {
  return errors.badRequest(
    `${resource.kind} in version ${JSON.stringify(resource.version)} cannot be handled as a ${resource.kind}: ${why}`,
  );
}
