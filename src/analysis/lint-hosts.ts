/** @module Host endpoints that say less, or more, than they seem to. */
import { formatIp } from "../base/ip.ts";
import type { Issue } from "../base/issue.ts";
import type { SelectorState } from "../calc/types.ts";
import type { Endpoint } from "../policy/model.ts";
import { objectName } from "../resources/object.ts";
import { failsafeText } from "./lint-closed.ts";
import { missingProfiles } from "./lint-references.ts";
import { finding, type HostState, type LintView, listed, originOf, type SelectorUse } from "./lint-view.ts";

/** Cost: host endpoints, and those of one node pair by pair. */
export function* hostEndpoints(view: LintView): Iterable<Issue> {
  const { graph } = view.cluster;
  const objects = new Map(view.objects.map((object) => [objectName(object), object]));
  const ofNode = new Map<string, Endpoint[]>();
  for (const { host } of view.hosts) ofNode.set(host.node, [...(ofNode.get(host.node) ?? []), host]);
  for (const state of view.hosts) {
    const { host } = state;
    const object = objects.get(host.id);
    if (!object) continue;
    const origin = originOf(object);
    if (!graph.nodes.has(host.node)) {
      const known = [...graph.nodes.keys()].sort();
      yield finding(origin, {
        code: "host-endpoint-no-node",
        path: "spec.node",
        message: `there is no node ${host.node}, so this is never asked; there are ${listed(known)}`,
        hint: "give the Node object too, with its InternalIP",
      });
      continue;
    }
    // A profile that is missing is told of itself.
    const isMissing = object.kind === "HostEndpoint" && missingProfiles(object.profiles, view).length > 0;
    const closed = isMissing ? [] : closedDirections(view, state);
    if (closed.length > 0) {
      yield finding(origin, {
        code: "host-endpoint-closed",
        path: "spec.profiles",
        message: `no policy governs its ${closed.join(" or ")} and no profile allows it: of the node's own connections everything is dropped but the failsafe ports (${closed.map((direction) => `${direction} ${failsafeText(direction)}`).join("; ")})`,
        hint: "add the profile projectcalico-default-allow, or a policy that allows what the node needs",
      });
    }
    const first = (ofNode.get(host.node) ?? []).find(
      (other) => other.id < host.id && sameInterface(other, host),
    );
    if (first) {
      yield finding(origin, {
        code: "host-endpoint-shadowed",
        path: "spec",
        message: `${first.id} describes the same interface of node ${host.node} and goes first by name, so this one is never asked`,
        hint: "keep one host endpoint an interface",
      });
      continue;
    }
    const uplink = graph.hosts.uplink(host.node, graph.nodes.get(host.node) ?? []);
    if (uplink && uplink.id !== host.id && host.interfaceName !== "*") {
      yield finding(origin, {
        code: "host-endpoint-shadowed",
        path: "spec",
        message: `answers take ${uplink.id} for the interface by which node ${host.node} reaches the others, so this one is not asked`,
        hint: "nothing has to be done where the node has several interfaces; name the uplink's host endpoint first otherwise",
      });
    }
  }
}

function closedDirections({ cluster }: LintView, { identity }: HostState): ("ingress" | "egress")[] {
  const program = cluster.graph.programOf(identity);
  return (["ingress", "egress"] as const).filter((direction) => {
    const { tiers, profiles, profile } = program[direction];
    const allows = profiles.some((state) => state[direction]?.some(({ rule }) => rule.action === "allow"));
    return tiers.length === 0 && profile === "deny" && !allows;
  });
}

function sameInterface(a: Endpoint, b: Endpoint): boolean {
  if (a.interfaceName !== "" || b.interfaceName !== "") return a.interfaceName === b.interfaceName;
  const own = new Set(a.addresses.map(formatIp));
  return b.addresses.some((address) => own.has(formatIp(address)));
}

/** A rule that selects a host endpoint means its addresses, and an interface alone gives none. Cost: selectors of hosts. */
export function* hostsWithoutAddresses({ hosts, objects, selectorUses }: LintView): Iterable<Issue> {
  const bare = hosts.filter(({ host }) => host.addresses.length === 0);
  if (bare.length === 0) return;
  const uses = new Map<SelectorState, SelectorUse>();
  for (const use of selectorUses) if (!uses.has(use.selector)) uses.set(use.selector, use);
  const byName = new Map(objects.map((object) => [objectName(object), object]));
  for (const { host, identity } of bare) {
    const selecting = [...identity.selectors].flatMap((selector) => uses.get(selector) ?? []);
    const object = byName.get(host.id);
    const [first] = selecting;
    if (!first || !object) continue;
    const { origin } = first.rule.rule;
    yield finding(originOf(object), {
      code: "host-endpoint-no-ips",
      path: "spec.expectedIPs",
      message: `${origin.object} ${origin.path}${selecting.length > 1 ? ` and ${selecting.length - 1} more` : ""} selects it as the other end of a rule, and it contributes no address`,
      hint: "list the interface's addresses in expectedIPs",
    });
  }
}

/** A global policy without any selector means hosts as well. Cost: the distinct subjects of global policies. */
export function* selectsHosts({ policies, hosts }: LintView): Iterable<Issue> {
  if (hosts.length === 0) return;
  const names = hosts.map(({ host }) => host.id).sort();
  for (const { policy } of policies) {
    if (policy.subject.kind !== "all" || policy.stage !== undefined || policy.applyOnForward) continue;
    yield finding(policy.origin, {
      code: "selects-hosts",
      path: "spec.selector",
      message: `a selector that is empty or all() selects host endpoints as well: ${listed(names)}`,
      hint: "add namespaceSelector: all() to mean pods alone",
    });
  }
}

/** Cost: the subjects' members, up to the first that answers. */
export function* ignoredOnWorkloads({ policies }: LintView): Iterable<Issue> {
  for (const { policy, subject } of policies) {
    if (policy.stage === undefined || subject.members.size === 0) continue;
    const kinds = new Set([...subject.members].map(({ selectable }) => selectable.kind));
    if (kinds.has("host")) continue;
    const field = policy.stage === "untracked" ? "doNotTrack" : "preDNAT";
    yield finding(policy.origin, {
      code: "ignored-on-workloads",
      path: `spec.${field}`,
      message: `a ${field} policy says nothing about workloads, and its selector selects no host endpoint`,
      hint: `select host endpoints, or leave ${field} out`,
    });
  }
}
