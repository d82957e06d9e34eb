/** @module What the server tells of itself, made by whoever starts it. */
import type { JsonObject } from "./json.ts";

export interface Documents {
  readonly version: JsonObject;
  openApiV2(): string;
  openApiV3Index(): string;
  /** @returns undefined when there is no such group and version */
  openApiV3(group: string, version: string): string | undefined;
}
