/** @module What a node's interfaces ask, by the graph: the programs of the host endpoints that govern them, at their places. */
import type { PolicyGraph } from "../calc/graph.ts";
import { DIRECTIONS, type Program } from "../calc/types.ts";
import type { Endpoint } from "../policy/model.ts";
import type { HostStage } from "./host-chains.ts";

/** None where no host endpoint describes the node. Cost: the node's host endpoints. */
export function hostStagesOf(graph: PolicyGraph, node: string): HostStage[] {
  const uplink = programOf(graph, graph.hosts.uplink(node, graph.nodes.get(node) ?? []));
  const wildcard = programOf(graph, graph.hosts.wildcard(node));
  const stages: HostStage[] = [];
  if (uplink?.host) {
    const { forward, untracked, preDnat } = uplink.host;
    for (const direction of DIRECTIONS) {
      stages.push(
        { place: "untracked", direction, program: untracked[direction], link: "uplink" },
        { place: "normal", direction, program: uplink[direction], link: "uplink" },
        { place: "forward", direction, program: forward[direction], link: "uplink" },
      );
    }
    stages.push({ place: "pre-dnat", direction: "ingress", program: preDnat, link: "uplink" });
  }
  if (wildcard?.host) {
    const { forward, preDnat } = wildcard.host;
    stages.push({ place: "pre-dnat", direction: "ingress", program: preDnat, link: "pods" });
    for (const direction of DIRECTIONS)
      stages.push({ place: "forward", direction, program: forward[direction], link: "pods" });
  }
  return stages;
}

function programOf(graph: PolicyGraph, host: Endpoint | undefined): Program | undefined {
  const state = host && graph.endpoints.get(host.id);
  return state && graph.programOf(state.labelClass.identity);
}
