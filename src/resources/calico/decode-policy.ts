/**
 * @module NetworkPolicy and GlobalNetworkPolicy of projectcalico.org, and what is staged of them. Always a policy: one of
 * which the subject cannot be read governs everything in its scope, and only denies.
 */
import { fieldNames } from "../decode/cursor.ts";
import { decodeMetadata, type Metadata, type ObjectInput } from "../decode/metadata.ts";
import { decodeNetworkPolicySpec } from "../networking/decode-network-policy.ts";
import { decodeGlobalPolicySpec, decodePolicySpec } from "./decode-policy-spec.ts";
import { decodeStagedAction } from "./decode-staged-action.ts";
import { checkPolicyName } from "./names.ts";
import type {
  CalicoNetworkPolicy,
  GlobalNetworkPolicy,
  StagedGlobalNetworkPolicy,
  StagedKubernetesNetworkPolicy,
  StagedNetworkPolicy,
} from "./types.ts";

const OBJECT: ReadonlySet<string> = fieldNames("apiVersion kind metadata spec status");

function open(input: ObjectInput, scope: "namespaced" | "cluster"): Metadata["head"] {
  const { head } = decodeMetadata(input, { scope, name: checkPolicyName });
  input.root.reportUnknown(OBJECT);
  return head;
}

/** Named apart from the Kubernetes kind in issues too. */
export function decodeCalicoNetworkPolicy(input: ObjectInput): CalicoNetworkPolicy {
  const kind = "CalicoNetworkPolicy";
  const head = open({ ...input, kind }, "namespaced");
  const spec = decodePolicySpec(input.root.at("spec"), { namespace: head.namespace, isStaged: false });
  return { kind, ...head, spec };
}

export function decodeGlobalNetworkPolicy(input: ObjectInput): GlobalNetworkPolicy {
  const head = open(input, "cluster");
  const spec = decodeGlobalPolicySpec(input.root.at("spec"), { namespace: undefined, isStaged: false });
  return { kind: "GlobalNetworkPolicy", ...head, spec };
}

export function decodeStagedNetworkPolicy(input: ObjectInput): StagedNetworkPolicy {
  const head = open(input, "namespaced");
  const cursor = input.root.at("spec");
  const spec = decodePolicySpec(cursor, { namespace: head.namespace, isStaged: true });
  return { kind: "StagedNetworkPolicy", ...head, stagedAction: decodeStagedAction(cursor), spec };
}

export function decodeStagedGlobalNetworkPolicy(input: ObjectInput): StagedGlobalNetworkPolicy {
  const head = open(input, "cluster");
  const cursor = input.root.at("spec");
  const spec = decodeGlobalPolicySpec(cursor, { namespace: undefined, isStaged: true });
  return { kind: "StagedGlobalNetworkPolicy", ...head, stagedAction: decodeStagedAction(cursor), spec };
}

export function decodeStagedKubernetesNetworkPolicy(input: ObjectInput): StagedKubernetesNetworkPolicy {
  const head = open(input, "namespaced");
  const cursor = input.root.at("spec");
  const spec = decodeNetworkPolicySpec(cursor, ["stagedAction"]);
  return { kind: "StagedKubernetesNetworkPolicy", ...head, stagedAction: decodeStagedAction(cursor), spec };
}
