/** @module Rules and selectors in words that a person reads at once. Programs get the canonical text: `formatSelector`. */
import { type Cidr, formatCidr } from "../base/ip.ts";
import {
  type EntityMatch,
  type IcmpMatch,
  type Match,
  type PortMatch,
  protocolName,
  type Rule,
} from "./model.ts";
import { formatSelector, type LabelScope, type Selector } from "./selector.ts";

export function portText(port: PortMatch): string {
  if (port.kind === "named") return `port ${port.name}`;
  return port.first === port.last ? `port ${port.first}` : `ports ${port.first}-${port.last}`;
}

/**
 * What a selector means: `pods with app=cart in namespace shop`, `every pod in every namespace`. What has no short words
 * (alternatives, network sets, service accounts) is told in the canonical text.
 */
export function selectorText(selector: Selector): string {
  const terms = selector.kind === "and" ? selector.terms : [selector];
  const own: string[] = [];
  const ofNamespace: string[] = [];
  let names: readonly string[] | undefined;
  let onlyPods = false;
  for (const term of terms) {
    if (term.kind === "subject-kind" && term.kinds.length === 1 && term.kinds[0] === "pod") {
      onlyPods = true;
    } else if (term.kind === "namespace" && names === undefined) {
      names = term.names;
    } else {
      const label = labelText(term);
      if (!label || (label.of !== "endpoint" && label.of !== "namespace")) return formatSelector(selector);
      (label.of === "endpoint" ? own : ofNamespace).push(label.text);
    }
  }
  const said = own.length + ofNamespace.length + (names?.length ?? 0);
  if ((!onlyPods && said === 0) || names?.includes("")) return formatSelector(selector);
  // Calico's selectors mean other workloads and network sets as well.
  const what = onlyPods ? "pod" : "endpoint";
  const who = own.length === 0 ? `every ${what}` : `${what}s ${own.join(" and ")}`;
  return !onlyPods && names === undefined && ofNamespace.length === 0
    ? who
    : `${who} in ${namespacesText(names, ofNamespace)}`;
}

function namespacesText(names: readonly string[] | undefined, labels: readonly string[]): string {
  const tests = labels.length === 0 ? "" : ` ${labels.join(" and ")}`;
  if (names === undefined) return labels.length === 0 ? "every namespace" : `namespaces${tests}`;
  return `namespace${names.length === 1 ? "" : "s"} ${[...names].sort().join(", ")}${tests}`;
}

function labelText(term: Selector): { readonly of: LabelScope; readonly text: string } | undefined {
  if (term.kind === "not" && term.term.kind === "label" && term.term.test.op === "exists")
    return { of: term.term.of, text: `without ${term.term.key}` };
  if (term.kind !== "label") return undefined;
  const { of, key, test } = term;
  if (test.op === "exists") return { of, text: `with ${key}` };
  if (test.op !== "in" && test.op !== "not-in") return undefined;
  const [only = ""] = test.values;
  const values = test.values.length === 1 ? only : `(${[...test.values].sort().join(", ")})`;
  if (test.op === "not-in") return { of, text: `with ${key} not ${values}` };
  return { of, text: test.values.length === 1 ? `with ${key}=${values}` : `with ${key} in ${values}` };
}

/**
 * What a rule asks for: `allow TCP from pods with app=web in namespace shop to port 80`, `allow everything`,
 * `allow all traffic to 10.0.0.0/8 but not 10.1.0.0/16`.
 */
export function ruleText(rule: Rule): string {
  const { match } = rule;
  const from = sideText(match.source);
  const to = sideText(match.destination);
  const packet = packetText(match);
  const remark = rule.remark === undefined ? "" : ` (${rule.remark})`;
  if (packet === "" && from === "" && to === "") return `${rule.action} everything${remark}`;
  const sides = [...(from === "" ? [] : [`from ${from}`]), ...(to === "" ? [] : [`to ${to}`])];
  return [rule.action, packet || "all traffic", ...sides].join(" ") + remark;
}

function packetText({ family, protocol, notProtocol, icmp, notIcmp }: Match): string {
  return [
    ...(family === undefined ? [] : [`IPv${family}`]),
    ...(protocol === undefined ? [] : [protocolName(protocol)]),
    ...(notProtocol === undefined ? [] : [`not ${protocolName(notProtocol)}`]),
    ...(icmp ? [icmpText(icmp)] : []),
    ...(notIcmp ? [`not ${icmpText(notIcmp)}`] : []),
  ].join(" ");
}

function icmpText({ type, code }: IcmpMatch): string {
  return `type ${type}${code === undefined ? "" : ` code ${code}`}`;
}

const netList = (nets: readonly Cidr[]): string => nets.map(formatCidr).join(", ") || "no address";
const portList = (ports: readonly PortMatch[]): string => ports.map(portText).join(", ") || "no port";

/** `pods with app=web in namespace shop on port 80`, `port 80`, ``. */
function sideText({ selector, notSelector, nets, notNets, ports, notPorts }: EntityMatch): string {
  const who = [
    ...(selector ? [selectorText(selector)] : []),
    ...(nets ? [netList(nets)] : []),
    ...(notSelector ? [`not ${selectorText(notSelector)}`] : []),
    ...(notNets ? [`not ${netList(notNets)}`] : []),
  ].join(" but ");
  const where = [...(ports ? [portList(ports)] : []), ...(notPorts ? [`not ${portList(notPorts)}`] : [])];
  return [...(who === "" ? [] : [who]), ...(where.length === 0 ? [] : [where.join(" but ")])].join(" on ");
}
