/** @module A ConnectivityTest → stages: what each one changes, and what it asks. */

import type { Cluster } from "../analysis/cluster.ts";
import type { Question } from "../analysis/question.ts";
import { OpError } from "../base/errors.ts";
import { podId } from "../policy/from-pod.ts";
import type { Namespace, Node, Pod } from "../resources/core/types.ts";
import { NAMESPACE_NAME_LABEL } from "../resources/labels.ts";
import type { KubernetesObject } from "../resources/object.ts";
import { sourceInside } from "../resources/source.ts";
import type { ConnectivityTest, MatrixExpectation, Probe, Step } from "../resources/tortie/types.ts";

export interface TestCase {
  readonly question: Question;
  readonly expected: "allow" | "deny";
  readonly established: boolean;
  /** Where the expectation stands in the test. */
  readonly path: string;
}

export interface Stage {
  /** "" before the first step. */
  readonly name: string;
  readonly path: string;
  /** Changes the cluster's objects; the caller syncs. @throws OpError `not-found` */
  readonly change: (cluster: Cluster) => void;
  /** To be asked when the cluster is synced: a matrix is over the pods that are there then. @throws OpError `not-found` */
  readonly cases: (cluster: Cluster) => TestCase[];
  /** Those of its probes that ask about a connection opened earlier; known before the stage begins. */
  readonly establishedCases: readonly TestCase[];
}

/** Objects of the files that a test names, read by whoever may read files. */
export interface TestFiles {
  readonly manifests: readonly KubernetesObject[];
  /** By the path of the entry: `spec.steps[0].apply[1]`. */
  readonly applied: ReadonlyMap<string, readonly KubernetesObject[]>;
}

export function planStages(test: ConnectivityTest, files: TestFiles): Stage[] {
  const first: Stage = {
    name: "",
    path: "spec",
    change: (cluster) => {
      cluster.apply(shorthandObjects(test));
      cluster.apply(files.manifests);
    },
    cases: (cluster) => casesOf(cluster, test.probes, test.matrix),
    establishedCases: [],
  };
  return [first, ...test.steps.map((step) => stageOf(step, files))];
}

function stageOf(step: Step, files: TestFiles): Stage {
  return {
    name: step.name,
    path: step.path,
    change: (cluster) => {
      // What a step both deletes and applies is replaced.
      for (const ref of step.delete) if (!cluster.delete(ref)) throw missing(ref);
      for (const [index] of step.apply.entries())
        cluster.apply(files.applied.get(`${step.path}.apply[${index}]`) ?? []);
      // Labels are set on pods that this very step may have brought.
      if (step.label.length > 0 && step.apply.length > 0) cluster.sync();
      for (const ref of step.label) if (!cluster.label(ref, ref.labels)) throw missing(ref);
    },
    cases: (cluster) => casesOf(cluster, step.probes, step.matrix),
    establishedCases: step.probes.filter(({ established }) => established).map(probeCase),
  };
}

function missing(ref: {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly path: string;
}): OpError {
  const name = ref.namespace === "" ? ref.name : `${ref.namespace}/${ref.name}`;
  return new OpError(`${ref.kind} ${name} is not there`, { code: "not-found", facts: { path: ref.path } });
}

function shorthandObjects(test: ConnectivityTest): KubernetesObject[] {
  const { nodes, namespaces, pods } = test.cluster;
  const head = (name: string, namespace: string, labels: Readonly<Record<string, string>>, path: string) => ({
    apiVersion: "v1",
    name,
    namespace,
    labels,
    source: sourceInside(test.source, path),
  });
  return [
    ...nodes.map(
      (node): Node => ({
        kind: "Node",
        ...head(node.name, "", node.labels, node.path),
        addresses: node.ip === undefined ? [] : [node.ip],
        podCIDRs: [],
      }),
    ),
    ...namespaces.map(
      ({ name, labels, path }): Namespace => ({
        kind: "Namespace",
        ...head(name, "", { ...labels, [NAMESPACE_NAME_LABEL]: name }, path),
      }),
    ),
    ...pods.map(
      (pod): Pod => ({
        kind: "Pod",
        ...head(pod.name, pod.namespace, pod.labels, pod.path),
        phase: "Running",
        podIPs: pod.ips,
        spec: {
          ...(pod.node !== undefined && { nodeName: pod.node }),
          hostNetwork: pod.hostNetwork,
          serviceAccountName: pod.serviceAccount,
          ports: pod.ports.map(({ port, protocol, name }) => ({
            port,
            protocol,
            ...(name !== undefined && { name }),
          })),
          nodeSelector: {},
        },
      }),
    ),
  ];
}

function casesOf(
  cluster: Cluster,
  probes: readonly Probe[],
  matrices: readonly MatrixExpectation[],
): TestCase[] {
  return [...probes.map(probeCase), ...matrices.flatMap((matrix) => matrixCases(cluster, matrix))];
}

function probeCase(probe: Probe): TestCase {
  const { from, to, port, protocol, icmpType, icmpCode } = probe;
  return {
    question: {
      from,
      to,
      protocol,
      ...(port !== undefined && { port }),
      ...(icmpType !== undefined && { icmpType }),
      ...(icmpCode !== undefined && { icmpCode }),
    },
    expected: probe.expect,
    established: probe.established,
    path: probe.path,
  };
}

/** Cost: pods squared. @throws OpError `not-found` for a row that means no pod */
function matrixCases(cluster: Cluster, matrix: MatrixExpectation): TestCase[] {
  const names = [...cluster.pods]
    .filter(([, pod]) => pod.phase !== "Succeeded" && pod.phase !== "Failed")
    .map(([, pod]) => podId(pod));
  for (const row of matrix.rows) {
    for (const pattern of [row.from, row.to]) {
      // A row that names nobody would hold whatever the policies are. A wildcard may mean no pod at this step.
      if (!pattern.includes("*") && !names.includes(pattern))
        throw new OpError(`${pattern} means no pod that is there`, {
          code: "not-found",
          facts: { path: row.path },
        });
    }
  }
  const cases: TestCase[] = [];
  for (const from of names) {
    for (const to of names) {
      const { expected, path } = expectation(matrix, from, to);
      const { port, protocol } = matrix;
      cases.push({
        question: { from, to, protocol, ...(port !== undefined && { port }) },
        expected,
        established: false,
        path,
      });
    }
  }
  return cases;
}

function expectation(
  matrix: MatrixExpectation,
  from: string,
  to: string,
): { expected: "allow" | "deny"; path: string } {
  // A pod reaches itself whatever a wildcard says: only a row that names it on both sides speaks of it.
  let result: { expected: "allow" | "deny"; path: string } = {
    expected: from === to ? "allow" : matrix.default,
    path: matrix.path,
  };
  for (const row of matrix.rows) {
    const covers =
      from === to ? row.from === from && row.to === to : covered(row.from, from) && covered(row.to, to);
    if (covers) result = { expected: row.expect, path: row.path };
  }
  return result;
}

/** `*` alone or in either half of `namespace/pod`. */
function covered(pattern: string, id: string): boolean {
  if (pattern === "*") return true;
  const [namespace, name] = pattern.split("/");
  const [ownNamespace, ownName] = id.split("/");
  return (namespace === "*" || namespace === ownNamespace) && (name === "*" || name === ownName);
}
