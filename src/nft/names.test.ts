import { expect, test } from "vitest";
import { policyChain } from "./names.ts";

const LONG = `GlobalNetworkPolicy ${"a".repeat(200)}`;

test("a policy's chain can be read in a listing", () => {
  expect(policyChain("ingress", "NetworkPolicy default/db-policy")).toBe(
    "in/NetworkPolicy/default/db-policy",
  );
});

test.each([
  ["that is too long", LONG],
  ["with letters that nft does not know", "GlobalNetworkPolicy a:b"],
])("a name %s fits nft, and no policy can be called so that it gets the same chain", (_why, id) => {
  const chain = policyChain("egress", id);
  expect(chain).toMatch(/^[A-Za-z0-9/_.-]{1,128}$/);
  const twin = chain.replace("out/GlobalNetworkPolicy/", "GlobalNetworkPolicy ");
  expect(policyChain("egress", twin)).not.toBe(chain);
});

test.each([
  ["GlobalNetworkPolicy a:b", "GlobalNetworkPolicy a_b"],
  ["GlobalNetworkPolicy a/b", "CalicoNetworkPolicy a/b"],
  [LONG, `${LONG}a`],
])("%s and %s have chains of their own", (one, other) => {
  expect(policyChain("ingress", one)).not.toBe(policyChain("ingress", other));
});
