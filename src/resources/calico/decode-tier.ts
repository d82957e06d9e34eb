/** @module Tiers. */
import { fieldNames, orAbsent, orElse } from "../decode/cursor.ts";
import { decodeMetadata, type ObjectInput } from "../decode/metadata.ts";
import { checkDnsLabel } from "../decode/names.ts";
import type { CalicoTier } from "./types.ts";

const OBJECT: ReadonlySet<string> = fieldNames("apiVersion kind metadata spec status");
const SPEC: ReadonlySet<string> = fieldNames("defaultAction order");

/** @returns a tier that denies at its end where its action is left out or cannot be read */
export function decodeTier(input: ObjectInput): CalicoTier | undefined {
  const { head, isNamed } = decodeMetadata(input, { scope: "cluster", name: checkDnsLabel });
  input.root.reportUnknown(OBJECT);
  const spec = orAbsent(input.root.at("spec").fields(SPEC));
  const order = orElse(
    spec?.at("order").finiteNumber("it is taken as left out: last"),
    Number.POSITIVE_INFINITY,
  );
  const defaultAction = spec ? orElse(spec.at("defaultAction").oneOf(["Deny", "Pass"]), "Deny") : "Deny";
  return isNamed ? { kind: "Tier", ...head, order, defaultAction } : undefined;
}
