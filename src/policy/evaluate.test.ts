import { describe, expect, test } from "vitest";
import { parseIp } from "../base/ip.ts";
import { NO_SOURCE } from "../resources/source.ts";
import { evaluate } from "./evaluate.ts";
import {
  type Action,
  ANY_ENTITY,
  type Endpoint,
  type Flow,
  OPEN_PROFILE,
  type Party,
  type Policy,
  PROFILE_TIER,
  PROTOCOL,
  type Tier,
} from "./model.ts";
import { ALL, NONE } from "./selector.ts";
import type { World } from "./world.ts";

const endpoint = (id: string, address: string): Endpoint => ({
  id,
  namespace: "x",
  labels: {},
  serviceAccount: "default",
  node: "node1",
  addresses: [parseIp(address)!],
  ports: [],
  profile: OPEN_PROFILE,
});
const A = endpoint("x/a", "10.0.0.1");
const B = endpoint("x/b", "10.0.0.2");

const policy = (name: string, tier: string, order: number, ...actions: Action[]): Policy => {
  const origin = { object: `P ${name}`, path: "", source: NO_SOURCE };
  return {
    id: `P ${name}`,
    tier,
    order,
    subject: ALL,
    ingress: {
      governs: true,
      rules: actions.map((action) => ({
        action,
        match: { source: ANY_ENTITY, destination: ANY_ENTITY },
        origin,
      })),
    },
    egress: { governs: false },
    origin,
  };
};

const world = (policies: readonly Policy[], tiers: readonly Tier[] = []): World => ({
  tiers,
  policies,
  namespaces: new Map(),
  serviceAccounts: new Map(),
  endpoints: new Map([A, B].map((one) => [one.id, one])),
  networkSets: [],
  nodes: new Map([["node1", [parseIp("172.18.0.2")!]]]),
});

const party = (one: Endpoint): Party => ({ kind: "endpoint", endpoint: one, address: one.addresses[0]! });
const flow = (source: Party = party(A), destination: Party = party(B)): Flow => ({
  source,
  destination,
  protocol: PROTOCOL.TCP,
  destinationPort: 80,
});
const allowed = (policies: readonly Policy[], tiers?: readonly Tier[]): boolean =>
  evaluate(world(policies, tiers), flow()).allowed;

const FIRST: Tier = { name: "first", order: 1, defaultAction: "deny" };
const OPEN: Tier = { name: "first", order: 1, defaultAction: "pass" };

describe("tiers", () => {
  test.each([
    // why, policies, tiers, allowed
    ["no policy: the profile allows", [], [], true],
    ["a policy without rules isolates", [policy("p", "default", 1)], [], false],
    ["a policy that only logs isolates", [policy("p", "default", 1, "log")], [], false],
    [
      "order decides between opposite actions",
      [policy("p", "default", 2, "deny"), policy("q", "default", 1, "allow")],
      [],
      true,
    ],
    [
      "equal order: the name decides",
      [policy("b", "default", 1, "deny"), policy("a", "default", 1, "allow")],
      [],
      true,
    ],
    [
      "no order is last",
      [policy("a", "default", Number.POSITIVE_INFINITY, "allow"), policy("b", "default", 5, "deny")],
      [],
      false,
    ],
    [
      "pass goes on to the next tier",
      [policy("p", "first", 1, "pass"), policy("q", "default", 1, "allow")],
      [FIRST],
      true,
    ],
    [
      "pass skips the rest of its tier",
      [policy("p", "first", 1, "pass", "deny"), policy("q", "default", 1, "allow")],
      [FIRST],
      true,
    ],
    ["pass with no later tier: the profile", [policy("p", "default", 1, "pass")], [], true],
    [
      "a tier's default denies what no rule decides",
      [policy("p", "first", 1, "log"), policy("q", "default", 1, "allow")],
      [FIRST],
      false,
    ],
    [
      "a tier may pass by default",
      [policy("p", "first", 1, "log"), policy("q", "default", 1, "allow")],
      [OPEN],
      true,
    ],
    [
      "allow in a high tier is final",
      [policy("p", "first", 1, "allow"), policy("q", "default", 1, "deny")],
      [FIRST],
      true,
    ],
    ["a tier that nobody created is last and denies", [policy("p", "nowhere", 1, "log")], [], false],
    [
      "a tier that nobody created comes after the others",
      [policy("p", "nowhere", 1, "deny"), policy("q", "default", 1, "allow")],
      [],
      true,
    ],
  ] as const)("%s", (_why, policies, tiers, result) => {
    expect(allowed(policies, tiers)).toBe(result);
  });
});

describe("exemptions", () => {
  const deny = world([policy("p", "default", 1)]);
  test.each([
    ["a pod reaches itself", party(B), party(B), true],
    [
      "its own node reaches a pod",
      { kind: "node", node: "node1", address: parseIp("172.18.0.2")! } as Party,
      party(B),
      true,
    ],
    [
      "another node does not",
      { kind: "node", node: "node2", address: parseIp("172.18.0.3")! } as Party,
      party(B),
      false,
    ],
    ["nor does the outside", { kind: "outside", address: parseIp("192.0.2.1")! } as Party, party(B), false],
    [
      "nobody polices the outside",
      party(A),
      { kind: "outside", address: parseIp("192.0.2.1")! } as Party,
      true,
    ],
  ] as const)("%s", (_why, source, destination, result) => {
    expect(evaluate(deny, flow(source, destination)).allowed).toBe(result);
  });
});

test("the rules that passed or logged on the way are told in order", () => {
  const verdict = evaluate(
    world([policy("p", "first", 1, "log", "pass"), policy("q", "default", 1, "allow")], [FIRST]),
    flow(),
  );
  expect(verdict.ingress.passing.map(({ rule }) => rule.action)).toEqual(["log", "pass"]);
  expect(verdict.ingress.decision).toMatchObject({ kind: "rule", policy: { id: "P q" } });
});

test("a profile that does not exist denies, whatever comes behind it", () => {
  const known = [policy("open", PROFILE_TIER, 0, "allow"), policy("silent", PROFILE_TIER, 0)];
  const profiles = (names: readonly string[]): World => ({
    ...world(known.map((profile) => ({ ...profile, subject: NONE }))),
    endpoints: new Map([A, { ...B, profiles: names }].map((one) => [one.id, one])),
  });
  const answer = (...names: string[]): boolean => {
    const asked = profiles(names);
    const to = asked.endpoints.get(B.id);
    return to !== undefined && evaluate(asked, flow(party(A), party(to))).allowed;
  };
  expect(answer("P open")).toBe(true);
  expect(answer("P silent")).toBe(true);
  expect(answer("P nobodys", "P open")).toBe(false);
  expect(answer("P silent", "P nobodys")).toBe(false);
  expect(answer("P open", "P nobodys")).toBe(true);
});
