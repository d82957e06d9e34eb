import { describe, expect, test } from "vitest";
import { decodeTexts } from "../resources/load.ts";
import { clusterOptions } from "./inputs.ts";

function networks(text: string, podCidr: readonly string[] = []): readonly string[] | undefined {
  const { objects, issues } = decodeTexts([{ file: "t.yaml", text }]);
  expect(issues.filter(({ severity }) => severity === "error")).toEqual([]);
  return clusterOptions(objects, { podCidr }).podNetworks;
}

const calico = (kind: string, spec: string): string =>
  `apiVersion: projectcalico.org/v3\nkind: ${kind}\nmetadata: {name: a}\nspec: ${spec}\n---\n`;
const pool = (name: string, spec: string): string =>
  calico("IPPool", spec).replace("name: a", `name: ${name}`);
const rule = (part: string): string => `{types: [Ingress], ingress: [{action: Allow, ${part}}]}`;
const V4 = "192.168.0.0/16";
const BOTH = [V4, "fd00:10:244::/64"];

describe("pods get IPv6 addresses where the input speaks of IPv6", () => {
  test.each([
    ["a rule's nets", calico("GlobalNetworkPolicy", rule("source: {nets: ['fd00::/8']}"))],
    ["a rule's notNets", calico("NetworkPolicy", rule("source: {notNets: ['fd00::/8']}"))],
    ["a rule's version", calico("StagedNetworkPolicy", rule("ipVersion: 6"))],
    ["ICMPv6", calico("StagedGlobalNetworkPolicy", rule("protocol: ICMPv6"))],
    ["a profile's rule", calico("Profile", "{egress: [{action: Allow, destination: {nets: ['fd00::/8']}}]}")],
    ["a network set", calico("NetworkSet", "{nets: ['2001:db8::/32']}")],
    ["a global network set", calico("GlobalNetworkSet", "{nets: ['2001:db8::/32']}")],
    ["a host endpoint", calico("HostEndpoint", "{node: n1, expectedIPs: ['2001:db8::1']}")],
    [
      "a cluster-wide policy",
      "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: a}\nspec: {priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: ['fd00::/8']}]}]}",
    ],
    [
      "a staged policy of Kubernetes",
      calico(
        "StagedKubernetesNetworkPolicy",
        "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 'fd00::/8'}}]}]}",
      ),
    ],
  ])("in %s", (_where, text) => {
    expect(networks(text)).toEqual(BOTH);
  });

  test.each([
    ["a rule's IPv4 nets", calico("GlobalNetworkPolicy", rule("source: {nets: [10.0.0.0/8]}"))],
    ["a network set of IPv4", calico("NetworkSet", "{nets: [10.0.0.0/8]}")],
    ["a pool that is disabled", pool("p", "{cidr: 'fd00:1::/64', disabled: true}")],
  ])("and not for %s", (_what, text) => {
    expect(networks(text)).toEqual([V4]);
  });
});

describe("IP pools say where pods get addresses", () => {
  const POOLS =
    pool("a", "{cidr: 10.1.0.0/16, disabled: true}") +
    pool("b", "{cidr: 10.2.0.0/16}") +
    pool("c", "{cidr: 10.3.0.0/16}");

  test("the first of a family that is not disabled", () => {
    expect(networks(POOLS)).toEqual(["10.2.0.0/16"]);
    expect(networks(POOLS + pool("d", "{cidr: 'fd00:1::/64'}"))).toEqual(["10.2.0.0/16", "fd00:1::/64"]);
    expect(networks(pool("d", "{cidr: 'fd00:1::/64'}"))).toEqual([V4, "fd00:1::/64"]);
  });

  test("what the user asks for goes first", () => {
    expect(networks(POOLS, ["10.9.0.0/16"])).toEqual(["10.9.0.0/16"]);
    expect(networks(POOLS, ["fd00:9::/64"])).toEqual(["10.2.0.0/16", "fd00:9::/64"]);
  });
});
