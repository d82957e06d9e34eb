/** @module NetworkSet and GlobalNetworkSet: CIDRs under labels. */
import { formatCidr } from "../../base/ip.ts";
import { BAD, type Cursor, fieldNames, orAbsent, orElse } from "../decode/cursor.ts";
import { decodeMetadata, type ObjectInput } from "../decode/metadata.ts";
import { makeLabels } from "../labels.ts";
import { decodeNet } from "./decode-net.ts";
import type { CalicoNetworkSet } from "./types.ts";

const OBJECT: ReadonlySet<string> = fieldNames("apiVersion kind metadata spec status");
const SPEC: ReadonlySet<string> = fieldNames("nets");
/** Calico sets it, from the namespace that the set is in. */
const NAMESPACE_LABEL = "projectcalico.org/namespace";
const NOTE = ": it is left out, so rules that deny by this set do not cover it";

export function decodeNetworkSet(input: ObjectInput): CalicoNetworkSet {
  return decodeSet(input, "NetworkSet");
}

export function decodeGlobalNetworkSet(input: ObjectInput): CalicoNetworkSet {
  return decodeSet(input, "GlobalNetworkSet");
}

function decodeSet(input: ObjectInput, kind: CalicoNetworkSet["kind"]): CalicoNetworkSet {
  const scope = kind === "NetworkSet" ? "namespaced" : "cluster";
  const { head } = decodeMetadata(input, { scope });
  input.root.reportUnknown(OBJECT);
  const spec = orAbsent(input.root.at("spec").fields(SPEC));
  const nets = spec ? decodeNets(spec.at("nets")) : [];
  return { kind, ...head, labels: withoutNamespace(input, head.labels), nets };
}

function withoutNamespace(
  input: ObjectInput,
  labels: CalicoNetworkSet["labels"],
): CalicoNetworkSet["labels"] {
  if (!Object.hasOwn(labels, NAMESPACE_LABEL)) return labels;
  input.report.error({
    code: "reserved-label",
    path: `metadata.labels[${NAMESPACE_LABEL}]`,
    message: `Forbidden: the label ${NAMESPACE_LABEL} is Calico's to set`,
  });
  return makeLabels(Object.entries(labels).filter(([key]) => key !== NAMESPACE_LABEL));
}

/** Cost: linear; sets of a hundred thousand blocks are usual. */
function decodeNets(cursor: Cursor): string[] {
  const nets = new Set<string>();
  for (const item of orElse(cursor.list(), [])) {
    const net = decodeNet(item, NOTE);
    if (net !== BAD) nets.add(formatCidr(net.cidr));
  }
  return [...nets];
}
