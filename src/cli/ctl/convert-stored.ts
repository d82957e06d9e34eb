/**
 * @module crd.projectcalico.org/v1, the form in which Calico stores its objects, as projectcalico.org/v3, the API. The two
 * have one spec; metadata of the API is folded into an annotation of the stored form.
 */
import { ownValue } from "../../base/own.ts";
import type { KubernetesObject } from "../../resources/object.ts";
import { parseDocuments } from "../../resources/yaml/documents.ts";
import { type Conversion, fail } from "./conversion.ts";
import {
  entryOf,
  isObject,
  type JsonObject,
  listAt,
  plain,
  textAt,
  valueAt,
  withEntry,
  withValueAt,
} from "./json.ts";

const API = "projectcalico.org/v3";
const FOLDED = "projectcalico.org/metadata";
/** Before 3.32 stored names of the default tier began with it; the API never showed it. */
const PREFIX = "default.";
const RENAMED: Readonly<Record<string, string>> = { IPAMConfig: "IPAMConfiguration" };

/** @param decoded - undefined for kinds that have no bearing on policy */
export function convertStored(
  value: JsonObject,
  decoded: KubernetesObject | undefined,
  kind: string,
): Conversion {
  const unfolded = unfold(value);
  if (typeof unfolded === "string") return fail(unfolded);
  const named = unfolded.isNamed ? unfolded.value : withName(unfolded.value, decoded);
  const { value: typed, notes } = withTypes(named, decoded);
  const name = ownValue(RENAMED, kind) ?? kind;
  return { kind: "converted", value: { ...typed, apiVersion: API, kind: name }, notes };
}

/** Labels and annotations of the folded metadata win: the stored ones are for the storage. @returns why it cannot be read */
function unfold(value: JsonObject): { value: JsonObject; isNamed: boolean } | string {
  const folded = valueAt(value, ["metadata", "annotations", FOLDED]);
  if (folded === undefined) return { value, isNamed: false };
  const [document] = typeof folded === "string" ? parseDocuments("", folded).documents : [];
  const metadata = plain(document?.value);
  if (!isObject(metadata)) return `metadata.annotations: ${FOLDED} is no JSON object`;
  const own = entryOf(value, "metadata");
  let merged = withValueAt(isObject(own) ? own : {}, ["annotations", FOLDED], undefined);
  for (const field of ["labels", "annotations"]) {
    const inner = entryOf(metadata, field);
    const outer = entryOf(merged, field);
    if (isObject(inner)) merged = withEntry(merged, field, { ...(isObject(outer) ? outer : {}), ...inner });
  }
  // Since 3.30 the name that the API shows is folded in, and then it is that, `default.` or not.
  const name = textAt(metadata, "name");
  const isNamed = name !== "";
  return { value: { ...value, metadata: isNamed ? { ...merged, name } : merged }, isNamed };
}

function withName(value: JsonObject, decoded: KubernetesObject | undefined): JsonObject {
  const name = textAt(value, "metadata", "name");
  const tier = textAt(value, "spec", "tier") || "default";
  const isPolicy = decoded?.kind.endsWith("NetworkPolicy") ?? false;
  if (!isPolicy || tier !== "default" || !name.startsWith(PREFIX)) return value;
  return withValueAt(value, ["metadata", "name"], name.slice(PREFIX.length));
}

/** What the API would have written into a policy that leaves its directions out. */
function withTypes(
  value: JsonObject,
  decoded: KubernetesObject | undefined,
): { value: JsonObject; notes: readonly string[] } {
  switch (decoded?.kind) {
    case "CalicoNetworkPolicy":
    case "GlobalNetworkPolicy":
    case "StagedNetworkPolicy":
    case "StagedGlobalNetworkPolicy": {
      const isDeletion = "stagedAction" in decoded && decoded.stagedAction === "Delete";
      if (listAt(value, "spec", "types").length > 0 || isDeletion) return { value, notes: [] };
      const { ingress, egress } = decoded.spec.types;
      const types = [...(ingress ? ["Ingress"] : []), ...(egress ? ["Egress"] : [])];
      const both = ingress && egress;
      const note = `it names no types: written out as the API would, ${types.join(" and ")}${both ? "" : "; Felix takes such a stored policy for both directions"}`;
      return { value: withValueAt(value, ["spec", "types"], types), notes: [note] };
    }
    default:
      return { value, notes: [] };
  }
}
