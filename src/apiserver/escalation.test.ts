import { describe, expect, test } from "vitest";
import type { PolicyRule } from "./authorize.ts";
import { missingRules } from "./escalation.ts";

const rule = (given: Partial<PolicyRule>): PolicyRule => ({
  verbs: [],
  apiGroups: [],
  resources: [],
  resourceNames: [],
  nonResourceURLs: [],
  ...given,
});
const pods = (verbs: string[], more: Partial<PolicyRule> = {}): PolicyRule =>
  rule({ verbs, apiGroups: [""], resources: ["pods"], ...more });

describe("what is missing of rules", () => {
  test.each<[string, PolicyRule[], PolicyRule[], string[]]>([
    ["the same", [pods(["get"])], [pods(["get"])], []],
    ["less", [pods(["*"])], [pods(["get", "list"])], []],
    ["several rules together", [pods(["get"]), pods(["list"])], [pods(["get", "list"])], []],
    [
      "verbs of one resource are told together",
      [pods(["get"])],
      [pods(["get", "list", "delete"])],
      ['{APIGroups:[""], Resources:["pods"], Verbs:["list" "delete"]}'],
    ],
    [
      "all verbs are more than any",
      [pods(["get"])],
      [pods(["*"])],
      ['{APIGroups:[""], Resources:["pods"], Verbs:["*"]}'],
    ],
    ["a name of all", [pods(["get"])], [pods(["get"], { resourceNames: ["a"] })], []],
    [
      "all of a name",
      [pods(["get"], { resourceNames: ["a"] })],
      [pods(["get"])],
      ['{APIGroups:[""], Resources:["pods"], Verbs:["get"]}'],
    ],
    [
      "another name",
      [pods(["get"], { resourceNames: ["a"] })],
      [pods(["get"], { resourceNames: ["b"] })],
      ['{APIGroups:[""], Resources:["pods"], ResourceNames:["b"], Verbs:["get"]}'],
    ],
    [
      "a subresource of any resource",
      [rule({ verbs: ["get"], apiGroups: [""], resources: ["*/log"] })],
      [rule({ verbs: ["get"], apiGroups: [""], resources: ["pods/log", "pods/exec"] })],
      ['{APIGroups:[""], Resources:["pods/exec"], Verbs:["get"]}'],
    ],
    [
      "paths",
      [rule({ verbs: ["get"], nonResourceURLs: ["/api/*"] })],
      [rule({ verbs: ["get"], nonResourceURLs: ["/api/v1", "/apis"] })],
      ['{NonResourceURLs:["/apis"], Verbs:["get"]}'],
    ],
    [
      "paths are no resources",
      [rule({ verbs: ["*"], nonResourceURLs: ["*"] })],
      [pods(["get"])],
      ['{APIGroups:[""], Resources:["pods"], Verbs:["get"]}'],
    ],
  ])("%s", (_what, own, needed, missing) => {
    expect(missingRules(own, needed)).toEqual(missing);
  });
});
