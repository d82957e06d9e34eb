/** @module Manifests in, findings out. */
import { Cluster } from "../../src/analysis/cluster.ts";
import { lintCluster } from "../../src/analysis/lint.ts";
import type { Issue } from "../../src/base/issue.ts";
import { decodeTexts } from "../../src/resources/load.ts";

export function clusterOf(text: string): Cluster {
  const { objects, issues } = decodeTexts([{ file: "t.yaml", text }]);
  const errors = issues.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new Error(JSON.stringify(errors, null, 2));
  const cluster = new Cluster();
  cluster.apply(objects);
  cluster.sync();
  return cluster;
}

/** @param codes - the ones that are looked at; all where left out */
export function findings(text: string, ...codes: readonly string[]): Issue[] {
  return lintCluster(clusterOf(text)).filter(({ code }) => codes.length === 0 || codes.includes(code));
}

/** `code object path`. */
export function lint(text: string, ...codes: readonly string[]): string[] {
  return findings(text, ...codes).map(({ code, object, path = "" }) => `${code} ${object} ${path}`.trimEnd());
}

/** Documents of one file. */
export function documents(...texts: readonly string[]): string {
  return texts.join("\n---\n");
}

export function pod(name: string, labels = "", rest = ""): string {
  return `apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}${labels && `, ${labels}`}}}
spec: {containers: [{name: c, image: i}]${rest}}`;
}

export function calico(kind: string, name: string, spec: string, labels = ""): string {
  return `apiVersion: projectcalico.org/v3
kind: ${kind}
metadata: {name: ${name}, labels: {${labels}}}
spec: ${spec}`;
}

export function networkPolicy(name: string, spec: string): string {
  return `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: ${name}}
spec: ${spec}`;
}

export function node(name: string, address: string): string {
  return `apiVersion: v1
kind: Node
metadata: {name: ${name}}
status: {addresses: [{type: InternalIP, address: ${address}}]}`;
}

/** On node1, which is given with it. */
export function host(name: string, spec: string, labels = "role: node"): string {
  return documents(node("node1", "10.0.0.1"), calico("HostEndpoint", name, `{node: node1, ${spec}}`, labels));
}
