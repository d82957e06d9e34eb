/**
 * @module Decoder of tortie.dev/v1alpha1 ConnectivityTest. Strict: a test with a key that is not understood would pass for
 * the wrong reason.
 * @see docs/connectivity-test.md
 */
import { setOwn } from "../../base/own.ts";
import { type Cursor, type Fields, fieldNames, orAbsent, orElse } from "../decode/cursor.ts";
import { decodeMetadata, type ObjectInput } from "../decode/metadata.ts";
import { checkLabelKey, checkLabelValue, checkPortName, checkPortNumber } from "../decode/names.ts";
import { decodeAddress, decodeName, decodeNamespaceName, labelsAt } from "./decode-fields.ts";
import { decodeMatrix, decodeProbe } from "./decode-probes.ts";
import type { ClusterShorthand, ConnectivityTest, InlineObject, ShorthandPod, Step } from "./types.ts";

const OBJECT: ReadonlySet<string> = fieldNames("apiVersion kind metadata spec");
const SPEC: ReadonlySet<string> = fieldNames("cluster manifests matrix objects probes steps");
const CLUSTER: ReadonlySet<string> = fieldNames("namespaces nodes pods");
const NODE: ReadonlySet<string> = fieldNames("ip labels name");
const NAMESPACE: ReadonlySet<string> = fieldNames("labels name");
const POD: ReadonlySet<string> = fieldNames(
  "hostNetwork ip ips labels name namespace node ports serviceAccount",
);
const POD_PORT: ReadonlySet<string> = fieldNames("name port protocol");
const STEP: ReadonlySet<string> = fieldNames("apply delete label matrix name probes");
const TARGET: ReadonlySet<string> = fieldNames("kind name namespace");
const LABEL: ReadonlySet<string> = fieldNames("kind labels name namespace");

/** Kinds that stand in no namespace, of those that a step may name. */
const CLUSTER_SCOPED: ReadonlySet<string> = fieldNames(
  `AdminNetworkPolicy BaselineAdminNetworkPolicy ClusterNetworkPolicy GlobalNetworkPolicy GlobalNetworkSet HostEndpoint
   IPPool Namespace Node Profile StagedGlobalNetworkPolicy Tier`,
);

export function decodeConnectivityTest(input: ObjectInput): ConnectivityTest | undefined {
  const { head, isNamed } = decodeMetadata(input, { scope: "cluster" });
  input.root.reportUnknown(OBJECT);
  const cursor = input.root.at("spec");
  if (cursor.isAbsent) cursor.required();
  const spec = orAbsent(cursor.fields(SPEC));
  if (!spec || !isNamed) return undefined;
  return {
    kind: "ConnectivityTest",
    name: head.name,
    source: head.source,
    manifests: decodeTexts(spec.at("manifests")),
    objects: items(spec.at("objects")).flatMap((item) => decodeInline(item) ?? []),
    cluster: decodeCluster(orAbsent(spec.at("cluster").fields(CLUSTER))),
    ...decodeExpectations(spec),
    steps: items(spec.at("steps")).flatMap((item, index) => decodeStep(item, index) ?? []),
  };
}

function items(cursor: Cursor): readonly Cursor[] {
  return orElse(cursor.list(), []);
}

function decodeExpectations(fields: Fields): Pick<ConnectivityTest, "probes" | "matrix"> {
  const matrix = fields.at("matrix");
  // One matrix need not be written as a list of one.
  const isOne = !matrix.isAbsent && typeof matrix.value === "object" && !Array.isArray(matrix.value);
  return {
    probes: items(fields.at("probes")).flatMap((item) => decodeProbe(item) ?? []),
    matrix: (isOne ? [matrix] : items(matrix)).flatMap((item) => decodeMatrix(item) ?? []),
  };
}

function decodeTexts(cursor: Cursor): string[] {
  return items(cursor).flatMap((item) => {
    const text = item.isAbsent || item.value === "" ? item.required() : item.string();
    return typeof text === "string" ? [text] : [];
  });
}

/** The object itself is decoded when it is applied; that it is a mapping is seen to here. */
function decodeInline(cursor: Cursor): InlineObject | undefined {
  if (cursor.isAbsent) cursor.required();
  return orAbsent(cursor.fields()) ? { path: cursor.path, value: cursor.value } : undefined;
}

function decodeCluster(fields: Fields | undefined): ClusterShorthand {
  if (!fields) return { nodes: [], namespaces: [], pods: [] };
  return {
    nodes: items(fields.at("nodes")).flatMap((item) => {
      const node = orAbsent(item.fields(NODE));
      const name = node ? decodeName(node.at("name")) : undefined;
      if (!node || name === undefined) return [];
      const ip = decodeAddress(node.at("ip"));
      return [
        { name, ...(ip === undefined ? {} : { ip }), labels: labelsAt(node.at("labels")), path: item.path },
      ];
    }),
    namespaces: items(fields.at("namespaces")).flatMap((item) => {
      const namespace = orAbsent(item.fields(NAMESPACE));
      const name = namespace ? decodeName(namespace.at("name")) : undefined;
      if (!namespace || name === undefined) return [];
      return [{ name, labels: labelsAt(namespace.at("labels")), path: item.path }];
    }),
    pods: items(fields.at("pods")).flatMap((item) => decodePod(item) ?? []),
  };
}

function decodePod(cursor: Cursor): ShorthandPod | undefined {
  const fields = orAbsent(cursor.fields(POD));
  if (!fields) return undefined;
  const namespace = decodeNamespaceName(fields.at("namespace"));
  const name = decodeName(fields.at("name"));
  const node = orAbsent(fields.at("node").string());
  const ip = decodeAddress(fields.at("ip"));
  const ips = items(fields.at("ips")).flatMap((item) => decodeAddress(item) ?? []);
  if (!fields.at("ip").isAbsent && !fields.at("ips").isAbsent) {
    fields.at("ips").error("ip-and-ips", "Forbidden: may not be specified together with `ip`");
  }
  const pod = {
    labels: labelsAt(fields.at("labels")),
    ...(node === undefined ? {} : { node }),
    ips: ip === undefined ? ips : [ip],
    hostNetwork: orElse(fields.at("hostNetwork").boolean(), false),
    serviceAccount: orElse(fields.at("serviceAccount").string(), "default"),
    ports: items(fields.at("ports")).flatMap((item) => decodePodPort(item) ?? []),
    path: cursor.path,
  };
  return namespace === undefined || name === undefined ? undefined : { namespace, name, ...pod };
}

function decodePodPort(cursor: Cursor): ShorthandPod["ports"][number] | undefined {
  const fields = orAbsent(cursor.fields(POD_PORT));
  if (!fields) return undefined;
  const portAt = fields.at("port");
  const port = portAt.isAbsent ? portAt.required() : portAt.integer();
  const protocol = orElse(fields.at("protocol").oneOf(["TCP", "UDP", "SCTP"]), "TCP");
  const nameAt = fields.at("name");
  const name = orAbsent(nameAt.string());
  const problems = typeof port === "number" ? checkPortNumber(port) : [];
  for (const problem of problems) portAt.invalid("invalid-port", problem);
  const nameProblems = name === undefined ? [] : checkPortName(name);
  for (const problem of nameProblems) nameAt.invalid("invalid-port-name", problem);
  if (typeof port !== "number" || problems.length + nameProblems.length > 0) return undefined;
  return { port, protocol, ...(name === undefined ? {} : { name }) };
}

function decodeStep(cursor: Cursor, index: number): Step | undefined {
  if (cursor.isAbsent) cursor.required();
  const fields = orAbsent(cursor.fields(STEP));
  if (!fields) return undefined;
  return {
    name: orElse(fields.at("name").string(), `step ${index + 1}`),
    path: cursor.path,
    apply: items(fields.at("apply")).flatMap((item) => decodeApply(item) ?? []),
    delete: items(fields.at("delete")).flatMap((item) => {
      const target = decodeTarget(orAbsent(item.fields(TARGET)));
      return target ? [{ ...target, path: item.path }] : [];
    }),
    label: items(fields.at("label")).flatMap((item) => decodeLabelChange(item) ?? []),
    ...decodeExpectations(fields),
  };
}

function decodeApply(cursor: Cursor): string | InlineObject | undefined {
  return typeof cursor.value === "string" && cursor.value !== "" ? cursor.value : decodeInline(cursor);
}

function decodeTarget(
  fields: Fields | undefined,
): { kind: string; namespace: string; name: string } | undefined {
  if (!fields) return undefined;
  const kindAt = fields.at("kind");
  const kind = kindAt.isAbsent ? kindAt.required() : kindAt.string();
  const name = decodeName(fields.at("name"));
  if (typeof kind !== "string" || name === undefined) return undefined;
  const namespace = CLUSTER_SCOPED.has(kind) ? "" : decodeNamespaceName(fields.at("namespace"));
  return namespace === undefined ? undefined : { kind, namespace, name };
}

function decodeLabelChange(cursor: Cursor): Step["label"][number] | undefined {
  const fields = orAbsent(cursor.fields(LABEL));
  const target = decodeTarget(fields);
  if (!fields || !target) return undefined;
  const labels: Record<string, string | null> = {};
  for (const [key, value] of orAbsent(fields.at("labels").fields())?.entries() ?? []) {
    for (const problem of checkLabelKey(key))
      value.error("invalid-label-key", `Invalid value: ${JSON.stringify(key)}: ${problem}`);
    const text = value.isAbsent ? null : orAbsent(value.string());
    for (const problem of text ? checkLabelValue(text) : []) value.invalid("invalid-label-value", problem);
    if (text !== undefined) setOwn(labels, key, text);
  }
  return { ...target, labels, path: cursor.path };
}
