/** @module Selectors that mean others than they seem to. */
import type { Issue } from "../base/issue.ts";
import type { SelectorState } from "../calc/types.ts";
import { type LabelScope, labelOf, type Selector } from "../policy/selector.ts";
import type { CalicoEntity } from "../resources/calico/types.ts";
import type { KubernetesObject } from "../resources/object.ts";
import { finding, kindOf, type LintView, originOf } from "./lint-view.ts";

const CALICO: ReadonlySet<string> = new Set(["CalicoNetworkPolicy", "GlobalNetworkPolicy"]);

interface LabelKey {
  readonly of: LabelScope;
  readonly key: string;
}

/**
 * Rules whose `!=` or `not in` holds at present for somebody without the label. Kubernetes' NotIn does the same and is
 * documented to; its rules are not looked at.
 *
 * Cost: each distinct selector's members, up to the first without the label.
 */
export function* missingLabels({ selectorUses }: LintView): Iterable<Issue> {
  const answers = new Map<SelectorState, { readonly key: string; readonly who: string } | undefined>();
  const told = new Set<string>();
  for (const { policy, rule, side, selector } of selectorUses) {
    if (!CALICO.has(kindOf(policy))) continue;
    if (!answers.has(selector)) answers.set(selector, memberWithout(selector));
    const answer = answers.get(selector);
    // The selector may come from a selector, a negation or both.
    const path = `${rule.rule.origin.path}.${side}`;
    // Of a rule that names a Service there may be several in the model.
    if (!answer || told.has(`${policy.policy.id} ${path}`)) continue;
    told.add(`${policy.policy.id} ${path}`);
    yield finding(policy.policy.origin, {
      code: "missing-label-matches",
      path,
      message: `a test that ${answer.key} is not a value holds for those without the label too: ${answer.who} has none and is selected`,
      hint: `add has(${answer.key}) && where only those with the label are meant`,
    });
  }
}

function memberWithout({
  selector,
  members,
  networkSets,
}: SelectorState): { readonly key: string; readonly who: string } | undefined {
  for (const { of, key } of negatedKeys(selector, true)) {
    if (of === "namespace") {
      for (const { selectable, sample } of members) {
        if (selectable.namespace !== "" && labelOf(selectable.namespaceLabels, key) === undefined)
          return { key, who: `namespace ${sample.namespace}` };
      }
      continue;
    }
    for (const set of networkSets) if (labelOf(set.labels, key) === undefined) return { key, who: set.id };
    for (const { sample } of members)
      if (labelOf(sample.labels, key) === undefined) return { key, who: sample.id };
  }
  return undefined;
}

/** Keys of which a value is excluded. @param isPositive - whether the selector stands as it is, or negated */
function negatedKeys(selector: Selector, isPositive: boolean): LabelKey[] {
  switch (selector.kind) {
    case "and":
    case "or":
      return selector.terms.flatMap((term) => negatedKeys(term, isPositive));
    case "not":
      return negatedKeys(selector.term, !isPositive);
    case "label": {
      const { of, key, test } = selector;
      const excludes = isPositive ? test.op === "not-in" : test.op === "in";
      return excludes && (of === "endpoint" || of === "namespace") ? [{ of, key }] : [];
    }
    default:
      return [];
  }
}

/**
 * Negations alone in a rule: of a namespaced policy they are limited to its namespace, elsewhere they hold for the whole
 * internet. Told of rules that allow or pass on; a Deny that reaches further than meant cuts, and somebody will notice.
 *
 * Cost: all rules of Calico's policies, staged ones too.
 */
export function* notSelectors({ objects }: LintView): Iterable<Issue> {
  for (const object of objects) {
    for (const { entity, isNamespaced } of calicoEntities(object)) {
      const { selector, notSelector, namespaceSelector, serviceAccounts, nets, path } = entity;
      if (!notSelector || isBlank(notSelector) || !isBlank(selector) || !isBlank(namespaceSelector)) continue;
      if (serviceAccounts || (nets && !isNamespaced)) continue;
      yield isNamespaced
        ? finding(originOf(object), {
            code: "not-selector-limited",
            path: `${path}.notSelector`,
            message: `in a namespaced policy a notSelector alone means the rest of namespace ${object.namespace}, nobody outside of it`,
            hint: "add namespaceSelector: all() to mean pods of every namespace",
          })
        : finding(originOf(object), {
            code: "not-selector-world",
            path: `${path}.notSelector`,
            message:
              "a notSelector alone holds for every address that it does not name, those outside the cluster too",
            hint: `write selector: "!(${notSelector.text.trim()})" to mean the rest of the cluster`,
          });
    }
  }
}

function isBlank(selector: { readonly text: string } | undefined): boolean {
  return selector === undefined || selector.text.trim() === "";
}

function* calicoEntities(
  object: KubernetesObject,
): Iterable<{ readonly entity: CalicoEntity; readonly isNamespaced: boolean }> {
  switch (object.kind) {
    case "CalicoNetworkPolicy":
    case "GlobalNetworkPolicy":
    case "StagedNetworkPolicy":
    case "StagedGlobalNetworkPolicy": {
      const isNamespaced = object.namespace !== "";
      for (const { action, source, destination } of [...object.spec.ingress, ...object.spec.egress]) {
        if (action !== "Allow" && action !== "Pass") continue;
        yield { entity: source, isNamespaced };
        yield { entity: destination, isNamespaced };
      }
      break;
    }
    default:
  }
}

/** Policies that are about nobody; not told where the input has nobody they could be about. Cost: policies. */
export function* selectsNothing({ cluster, policies }: LintView): Iterable<Issue> {
  if (cluster.graph.endpoints.size === 0) return;
  for (const state of policies) {
    if (state.subject.members.size > 0) continue;
    const { origin } = state.policy;
    yield finding(origin, {
      code: "selects-nothing",
      path: SUBJECT_PATH[kindOf(state)] ?? "spec.subject",
      message: "selects nobody that is in the input, so it says nothing",
      hint: "compare with the labels that tortie get pods -o wide lists; pods on the host's network are selected by none",
    });
  }
}

const SUBJECT_PATH: Readonly<Record<string, string>> = {
  NetworkPolicy: "spec.podSelector",
  CalicoNetworkPolicy: "spec.selector",
  GlobalNetworkPolicy: "spec.selector",
};
