/** @module `tortie ruleset NODE`: the nftables table that a node would have, as text for `nft -f`. */
import { OpError } from "../../base/errors.ts";
import { type EnforcementOptions, familiesOf } from "../../judges/ruleset-judge.ts";
import { POD_INTERFACE_PREFIX, podInterfaceName, UPLINK } from "../../network/interface-name.ts";
import { NodeRuleset } from "../../nft/node-ruleset.ts";
import { render } from "../../nft/render.ts";
import { type InputOptions, loadCluster } from "../inputs.ts";
import type { Io } from "../io.ts";

export interface RulesetOptions extends InputOptions, EnforcementOptions {}

export async function runRuleset(io: Io, node: string | undefined, options: RulesetOptions): Promise<number> {
  const cluster = await loadCluster(io, options);
  const names = cluster.plan.nodes.map(({ name }) => name);
  const [first = ""] = names;
  const wanted = node ?? first;
  if (!names.includes(wanted)) {
    throw new OpError(`there is no node ${wanted}; there are ${names.join(", ")}`, { code: "not-found" });
  }
  const ruleset = new NodeRuleset(cluster.graph, {
    node: wanted,
    interfaceOf: podInterfaceName,
    podPrefix: POD_INTERFACE_PREFIX,
    families: familiesOf(cluster),
    uplink: UPLINK,
    ...(options.denyWith && { denyWith: options.denyWith }),
  });
  ruleset.start();
  ruleset.setServices(cluster.services);
  io.out(render(ruleset.table).trimEnd());
  return 0;
}
