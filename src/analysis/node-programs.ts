/** @module What the interfaces of nodes ask of pods' connections, as far as host endpoints describe them. */
import type { PolicyGraph } from "../calc/graph.ts";
import type { DirectionProgram, HostProgram } from "../calc/types.ts";
import type { Endpoint } from "../policy/model.ts";

/** The stages of what is forwarded. */
export type HostStages = Pick<HostProgram, "forward" | "preDnat">;

/** At least one of these. */
export interface NodePrograms {
  readonly forward?: HostProgram["forward"];
  readonly preDnat?: DirectionProgram;
  readonly untracked?: HostProgram["untracked"];
  /** Of the host endpoint of all interfaces, for the links of pods. */
  readonly links?: HostStages;
}

/**
 * By node name; a node whose interfaces let everything of pods pass is not there. Clusters have a host endpoint for each
 * node, and mostly none of their policies is about forwarded traffic: then no node is told apart from another.
 */
export function nodePrograms(graph: PolicyGraph): ReadonlyMap<string, NodePrograms> {
  const byNode = new Map<string, NodePrograms>();
  for (const node of graph.hosts.nodes()) {
    const programs = programsOf(graph, node);
    if (Object.keys(programs).length > 0) byNode.set(node, programs);
  }
  return byNode;
}

function programsOf(graph: PolicyGraph, node: string): NodePrograms {
  const { hosts, nodes } = graph;
  const uplink = hostProgram(graph, hosts.uplink(node, nodes.get(node) ?? []));
  const wildcard = hostProgram(graph, hosts.wildcard(node));
  const hasUntracked = uplink !== undefined && asksEither(uplink.untracked);
  return {
    // What untracked policies allow skips the rest, so that all of it is asked one by one.
    ...(uplink && !hasUntracked && asks(uplink) && { forward: uplink.forward, preDnat: uplink.preDnat }),
    ...(hasUntracked && { untracked: uplink.untracked }),
    ...(wildcard && asks(wildcard) && { links: wildcard }),
  };
}

function hostProgram(graph: PolicyGraph, host: Endpoint | undefined): HostProgram | undefined {
  const state = host && graph.endpoints.get(host.id);
  return state && graph.programOf(state.labelClass.identity).host;
}

function asks({ forward, preDnat }: HostStages): boolean {
  return asksEither(forward) || preDnat.key !== "";
}

function asksEither({ ingress, egress }: HostProgram["forward"]): boolean {
  return ingress.key !== "" || egress.key !== "";
}
