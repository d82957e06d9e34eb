/**
 * @module Translates Calico's selectors into the model's. Where Calico rewrites text (`pcns.` and `pcsa.` prefixes, `all()`
 * in a namespace selector), the tree is translated instead: a quoted value is never taken for syntax, and no label that
 * a pod's author writes can stand for a namespace.
 */
import { unreachable } from "../base/errors.ts";
import type { SelectorNode } from "../resources/calico/selector-syntax.ts";
import type { CalicoSelector } from "../resources/calico/types.ts";
import {
  ALL,
  allOf,
  anyOf,
  type LabelScope,
  type LabelTest,
  NONE,
  negate,
  passes,
  type Selector,
} from "./selector.ts";

/** What stands in no namespace: host endpoints, global network sets. */
export const GLOBAL: Selector = { kind: "namespace", names: [""] };
export const NAMESPACED: Selector = negate(GLOBAL);

/** What a selector is about, and what `all()` means there. */
interface Reading {
  readonly of: Exclude<LabelScope, "identity">;
  readonly all: Selector;
}

/** @returns undefined where the selector is absent or empty, which Calico takes for the same */
function translate(selector: CalicoSelector | undefined, reading: Reading): Selector | undefined {
  if (!selector || selector.text.trim() === "") return undefined;
  return translateNode(selector.root, reading);
}

/** @param all - what `all()` means: a global policy with a namespace selector means what stands in a namespace */
export function fromEndpointSelector(
  selector: CalicoSelector | undefined,
  all: Selector = ALL,
): Selector | undefined {
  return translate(selector, { of: "endpoint", all });
}

/** `all()` is everything in a namespace, `global()` everything in none. */
export function fromNamespaceSelector(selector: CalicoSelector | undefined): Selector | undefined {
  return translate(selector, { of: "namespace", all: NAMESPACED });
}

export function fromServiceAccountSelector(selector: CalicoSelector | undefined): Selector | undefined {
  return translate(selector, { of: "service-account", all: ALL });
}

function translateNode(node: SelectorNode, reading: Reading): Selector {
  switch (node.kind) {
    case "all":
      return reading.all;
    case "global":
      return GLOBAL;
    case "has":
      return labelSelector(reading.of, node.label, { op: "exists" });
    case "in":
      return labelSelector(reading.of, node.label, { op: "in", values: node.values });
    case "not in":
      return labelSelector(reading.of, node.label, { op: "not-in", values: node.values });
    case "compare":
      return labelSelector(reading.of, node.label, comparison(node.op, node.value));
    case "not":
      return negate(translateNode(node.term, reading));
    case "and":
      return allOf(node.terms.map((term) => translateNode(term, reading)));
    case "or":
      return anyOf(node.terms.map((term) => translateNode(term, reading)));
    default:
      return unreachable(node);
  }
}

function comparison(op: Extract<SelectorNode, { kind: "compare" }>["op"], value: string): LabelTest {
  switch (op) {
    case "==":
      return { op: "in", values: [value] };
    case "!=":
      return { op: "not-in", values: [value] };
    case "contains":
      return { op: "contains", value };
    case "starts with":
      return { op: "starts-with", value };
    case "ends with":
      return { op: "ends-with", value };
    default:
      return unreachable(op);
  }
}

const NAME_LABEL = "projectcalico.org/name";

function labelSelector(of: Reading["of"], key: string, test: LabelTest): Selector {
  if (of === "namespace") {
    return key === NAME_LABEL ? belongingSelector("namespace", test) : { kind: "label", of, key, test };
  }
  if (of === "service-account") {
    return key === NAME_LABEL ? belongingSelector("serviceaccount", test) : { kind: "label", of, key, test };
  }
  if (key === "projectcalico.org/namespace") return belongingSelector("namespace", test);
  if (key === "projectcalico.org/serviceaccount") return belongingSelector("serviceaccount", test);
  if (key === ORCHESTRATOR_LABEL) return orchestratorSelector(test);
  if (key.startsWith("pcns.")) return labelSelector("namespace", key.slice("pcns.".length), test);
  if (key.startsWith("pcsa.")) return labelSelector("service-account", key.slice("pcsa.".length), test);
  return { kind: "label", of, key, test };
}

/** A test of the name of what the subject belongs to; "" is the name of nothing. */
function belongingSelector(what: "namespace" | "serviceaccount", test: LabelTest): Selector {
  const named = (names: readonly string[]): Selector => ({
    kind: what === "namespace" ? "namespace" : "service-account",
    names,
  });
  switch (test.op) {
    case "in":
      return named(test.values.filter((name) => name !== ""));
    case "not-in":
      return negate(named(test.values.filter((name) => name !== "")));
    case "exists":
      return negate(named([""]));
    case "contains":
    case "starts-with":
    case "ends-with":
      return { kind: "label", of: "identity", key: what, test };
    default:
      return unreachable(test);
  }
}

export const ORCHESTRATOR_LABEL = "projectcalico.org/orchestrator";

/** Pods are Kubernetes', whatever their labels say; other workloads carry their orchestrator's name as a label. */
function orchestratorSelector(test: LabelTest): Selector {
  const workloads: Selector = { kind: "subject-kind", kinds: ["workload"] };
  return anyOf([
    passes(test, "k8s") ? { kind: "subject-kind", kinds: ["pod"] } : NONE,
    allOf([workloads, { kind: "label", of: "endpoint", key: ORCHESTRATOR_LABEL, test }]),
    passes(test, undefined) ? { kind: "subject-kind", kinds: ["host", "network-set"] } : NONE,
  ]);
}
