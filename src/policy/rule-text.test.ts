import { expect, test } from "vitest";
import { decodeTexts } from "../resources/load.ts";
import { fromNetworkPolicy } from "./from-network-policy.ts";
import { ruleText, selectorText } from "./rule-text.ts";
import { allOf, type Selector } from "./selector.ts";

function policyOf(spec: string) {
  const text = `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: ${spec}}`;
  const [object] = decodeTexts([{ file: "p.yaml", text }]).objects;
  if (object?.kind !== "NetworkPolicy") throw new Error("no policy");
  return fromNetworkPolicy(object);
}

test.each([
  ["{}", "allow everything"],
  ["{ports: [{port: 80}]}", "allow TCP to port 80"],
  ["{from: [{podSelector: {}}]}", "allow all traffic from every pod in namespace shop"],
  ["{from: [{namespaceSelector: {}}]}", "allow all traffic from every pod in every namespace"],
  [
    "{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 80, endPort: 90}, {port: http}]}",
    "allow TCP from pods with app=web in namespace shop to ports 80-90, port http",
  ],
  [
    "{from: [{namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchExpressions: [{key: app, operator: In, values: [b, a]}, {key: old, operator: DoesNotExist}, {key: x, operator: NotIn, values: ['1']}]}}]}",
    "allow all traffic from pods with app in (a, b) and without old and with x not 1 in namespaces with team=a",
  ],
  [
    "{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}",
    "allow all traffic from 10.0.0.0/8 but not 10.1.0.0/16",
  ],
])("the rule %s reads: %s", (rule, words) => {
  const { ingress } = policyOf(`{podSelector: {}, ingress: [${rule}]}`);
  expect(ingress.governs && ingress.rules.map(ruleText)).toEqual([words]);
});

test("a selector without short words is told in its canonical text", () => {
  const either: Selector = { kind: "or", terms: [{ kind: "namespace", names: ["a"] }, { kind: "all" }] };
  expect(selectorText(either)).toBe("(all() || namespace in {'a'})");
  const account: Selector = { kind: "service-account", names: ["sa"] };
  expect(selectorText(allOf([{ kind: "subject-kind", kinds: ["pod"] }, account]))).toBe(
    "(kind in {'pod'} && serviceaccount in {'sa'})",
  );
});

test("Calico's selectors mean endpoints, pods or not", () => {
  const web: Selector = { kind: "label", of: "endpoint", key: "app", test: { op: "in", values: ["web"] } };
  expect(selectorText(web)).toBe("endpoints with app=web");
  expect(selectorText(allOf([web, { kind: "namespace", names: ["shop"] }]))).toBe(
    "endpoints with app=web in namespace shop",
  );
  expect(selectorText({ kind: "namespace", names: ["shop"] })).toBe("every endpoint in namespace shop");
  expect(selectorText({ kind: "namespace", names: [""] })).toBe("namespace in {''}");
});
