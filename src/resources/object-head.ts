/** @module What every object has, whatever its kind. */
import type { Source } from "./source.ts";

export type Labels = Readonly<Record<string, string>>;

/** Fields common to every object, decoded. */
export interface ObjectHead {
  readonly apiVersion: string;
  readonly name: string;
  /** "" for cluster-scoped kinds; "default" where a namespaced object names none. */
  readonly namespace: string;
  readonly labels: Labels;
  readonly source: Source;
  /** Of a preview: the staged policy that it comes from. */
  readonly stagedBy?: string;
}
