/**
 * @module ClusterNetworkPolicy, AdminNetworkPolicy and BaselineAdminNetworkPolicy. Always a policy, and never wider than
 * written: one of which the subject or the place cannot be read governs all pods, first of all, and only denies.
 * @see https://network-policy-api.sigs.k8s.io/api-overview/
 */
import { BAD, type Cursor, type Fields, fieldNames, type Reading } from "../decode/cursor.ts";
import { decodeMetadata, type ObjectInput } from "../decode/metadata.ts";
import { checkDnsSubdomain, type TextRule } from "../decode/names.ts";
import { decodeClusterRules, denyEverything, keepDenials } from "./decode-cluster-rule.ts";
import { ALL, decodeNamespacedPods, decodeRequiredSelector, onlyField } from "./decode-pod-peer.ts";
import {
  ADMIN_NETWORK_POLICY,
  BASELINE_ADMIN_NETWORK_POLICY,
  CLUSTER_NETWORK_POLICY,
  type Dialect,
} from "./dialects.ts";
import type { ClusterPolicy, ClusterPolicySpec, ClusterPolicySubject } from "./types.ts";

const OBJECT: ReadonlySet<string> = fieldNames("apiVersion kind metadata spec status");
const SUBJECT: ReadonlySet<string> = fieldNames("namespaces pods");
const MAX_PRIORITY = 1000;

export function decodeClusterNetworkPolicy(input: ObjectInput): ClusterPolicy {
  return decodePolicy(input, CLUSTER_NETWORK_POLICY, checkDnsSubdomain);
}

export function decodeAdminNetworkPolicy(input: ObjectInput): ClusterPolicy {
  return decodePolicy(input, ADMIN_NETWORK_POLICY, checkDnsSubdomain);
}

export function decodeBaselineAdminNetworkPolicy(input: ObjectInput): ClusterPolicy {
  return decodePolicy(input, BASELINE_ADMIN_NETWORK_POLICY, (name) =>
    name === "default" ? [] : ['must be "default": a cluster has one baseline policy'],
  );
}

function decodePolicy(input: ObjectInput, dialect: Dialect, name: TextRule): ClusterPolicy {
  const { head } = decodeMetadata(input, { scope: "cluster", name });
  input.root.reportUnknown(OBJECT);
  return { kind: dialect.kind, ...head, spec: decodeSpec(input.root.at("spec"), dialect) };
}

function decodeSpec(cursor: Cursor, dialect: Dialect): ClusterPolicySpec {
  const fields = cursor.isAbsent ? cursor.required() : cursor.fields(dialect.specFields);
  if (fields === BAD || fields === undefined) {
    const rules = [denyEverything(cursor.path)];
    const tier = dialect.kind === "BaselineAdminNetworkPolicy" ? "Baseline" : "Admin";
    const subject = { path: cursor.path, namespaceSelector: ALL };
    return { tier, priority: 0, subject, ingress: rules, egress: rules };
  }
  const tier = decodeTier(fields, dialect);
  const priority = decodePriority(fields, dialect);
  const subject = decodeSubject(fields.at("subject"));
  const ingress = decodeClusterRules(fields.at("ingress"), "ingress", dialect);
  const egress = decodeClusterRules(fields.at("egress"), "egress", dialect);
  const isReadable = tier !== BAD && priority !== BAD && subject !== BAD;
  return {
    // What cannot be placed is placed first: then nothing is accepted before its denials.
    tier: tier === BAD ? "Admin" : tier,
    priority: priority === BAD ? 0 : priority,
    subject: subject === BAD ? { path: fields.at("subject").path, namespaceSelector: ALL } : subject,
    ingress: isReadable ? ingress : keepDenials(ingress),
    egress: isReadable ? egress : keepDenials(egress),
  };
}

function decodeTier(fields: Fields, { kind }: Dialect): ClusterPolicySpec["tier"] | typeof BAD {
  if (kind !== "ClusterNetworkPolicy") return kind === "AdminNetworkPolicy" ? "Admin" : "Baseline";
  const cursor = fields.at("tier");
  return cursor.isAbsent ? cursor.required() : (cursor.oneOf(["Admin", "Baseline"]) ?? BAD);
}

function decodePriority(fields: Fields, { kind }: Dialect): number | typeof BAD {
  if (kind === "BaselineAdminNetworkPolicy") return 0;
  const cursor = fields.at("priority");
  const priority: Reading<number> = cursor.isAbsent ? cursor.required() : cursor.integer();
  if (priority === BAD || priority === undefined) return BAD;
  if (0 <= priority && priority <= MAX_PRIORITY) return priority;
  return cursor.invalid("invalid-priority", `must be between 0 and ${MAX_PRIORITY}, inclusive`);
}

function decodeSubject(cursor: Cursor): ClusterPolicySubject | typeof BAD {
  const fields = cursor.isAbsent ? cursor.required() : cursor.fields(SUBJECT);
  if (fields === BAD || fields === undefined) return BAD;
  const field = onlyField(fields, SUBJECT, "subject");
  if (field === BAD) return BAD;
  const { path } = cursor;
  if (field === "pods") {
    const pods = decodeNamespacedPods(fields.at("pods"));
    return pods === BAD ? BAD : { path, ...pods };
  }
  const namespaceSelector = decodeRequiredSelector(fields.at("namespaces"));
  return namespaceSelector === BAD ? BAD : { path, namespaceSelector };
}
