/** @module nftables as data: programs compiled to one table, rendered, interpreted, followed change by change. */
export { type ConnectionOutcome, simulateConnection, type Topology } from "./connection.ts";
export { changedPlaces, diffTables } from "./diff.ts";
export { type Outcome, type Packet, runHook } from "./interpret.ts";
export { NodeRuleset, type NodeRulesetOptions } from "./node-ruleset.ts";
export { render, renderChanges } from "./render.ts";
export * from "./table.ts";
