import { expect, test } from "vitest";
import { Cluster } from "../analysis/cluster.ts";
import { answer, type Question } from "../analysis/question.ts";
import { decodeTexts } from "../resources/load.ts";
import { becauseLine, explain, verdictData } from "./explain.ts";

const MANIFESTS = `apiVersion: v1
kind: Pod
metadata: {name: db, labels: {tier: db}}
spec: {containers: [{name: c, image: i, ports: [{name: sql, containerPort: 5432}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, labels: {tier: backend}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: busybox}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db-policy}
spec:
  podSelector: {matchLabels: {tier: db}}
  ingress:
    - from:
        - podSelector: {matchLabels: {tier: backend}}
      ports:
        - port: sql
`;

function ask(question: Question): ReturnType<typeof answer> {
  const cluster = new Cluster();
  cluster.apply(decodeTexts([{ file: "db.yaml", text: MANIFESTS }]).objects);
  cluster.sync();
  return answer(cluster, question);
}

test("an allowed connection names the peer, the port and the line", () => {
  const [verdict] = ask({ from: "api", to: "db", port: 5432, protocol: "TCP" }).verdicts;
  expect(explain(verdict!)).toEqual([
    "default/api → default/db TCP 5432: ALLOWED",
    "  egress  allowed: no policy decides the egress of default/api, so it is open",
    "  ingress allowed by NetworkPolicy default/db-policy spec.ingress[0].from[0] (db.yaml:23:11), port sql",
    "          allow TCP from pods with tier=backend in namespace default to port sql",
  ]);
});

test("a denial by isolation names the policies that isolate, and that their rules did not match", () => {
  const [verdict] = ask({ from: "busybox", to: "db", port: 5432, protocol: "TCP" }).verdicts;
  expect(explain(verdict!)).toEqual([
    "default/busybox → default/db TCP 5432: DENIED",
    "  egress  allowed: no policy decides the egress of default/busybox, so it is open",
    "  ingress denied: default/db is isolated, and no rule of these allows it",
    "          NetworkPolicy default/db-policy (db.yaml:16:1): 1 rule, no match",
  ]);
  expect(becauseLine(verdict!)).toBe(
    "ingress of default/db: isolated by NetworkPolicy default/db-policy (db.yaml:16:1), and no rule allows it",
  );
});

test("data for programs says the same with codes", () => {
  const [verdict] = ask({ from: "api", to: "db", port: 80, protocol: "TCP" }).verdicts;
  expect(verdictData(verdict!)).toMatchObject({
    from: "default/api",
    to: "default/db",
    protocol: "TCP",
    port: 80,
    allowed: false,
    egress: { allowed: true, decision: "profile" },
    ingress: {
      allowed: false,
      decision: "tier-default",
      tier: "default",
      isolatedBy: [{ object: "NetworkPolicy default/db-policy", position: "db.yaml:16:1" }],
    },
  });
});
