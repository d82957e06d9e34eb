/**
 * @module A rule of a cluster-wide policy. Fails closed as the API asks of implementations: where anything of it cannot be
 * read, a rule that accepts matches nothing, and one that denies or passes on denies everything. A peer or a port that
 * cannot be read may be left out of a rule that accepts, for they are alternatives.
 */
import { type Alternatives, decodeAlternatives, reportTooMany } from "../decode/alternatives.ts";
import { closestWord } from "../decode/closest-word.ts";
import { BAD, type Cursor, didYouMean, type Fields, fieldNames, orElse } from "../decode/cursor.ts";
import { decodeClusterPeer } from "./decode-cluster-peer.ts";
import { decodeClusterPort } from "./decode-cluster-port.ts";
import type { Dialect } from "./dialects.ts";
import type { ClusterPolicyPeer, ClusterPolicyPort, ClusterPolicyRule } from "./types.ts";

const FIELDS = {
  ingress: {
    protocols: fieldNames("action from name protocols"),
    ports: fieldNames("action from name ports"),
  },
  egress: { protocols: fieldNames("action name protocols to"), ports: fieldNames("action name ports to") },
} as const;
const MAX_NAME = 100;

/** @returns in the order written; what stands for a list that cannot be read denies everything, for it may have denied */
export function decodeClusterRules(
  cursor: Cursor,
  direction: "ingress" | "egress",
  dialect: Dialect,
): readonly ClusterPolicyRule[] {
  const list = cursor.list();
  if (list === BAD) return [denyEverything(cursor.path)];
  reportTooMany(cursor, list?.length ?? 0, dialect.maxItems);
  return (list ?? []).flatMap((item) => decodeRule(item, direction, dialect) ?? []);
}

/** For policies of which it is not known whom they apply to: what may accept too much is taken away. */
export function keepDenials(rules: readonly ClusterPolicyRule[]): readonly ClusterPolicyRule[] {
  return rules.flatMap((rule) => {
    if (rule.action === "Deny") return rule;
    return rule.action === "Pass" ? { ...denyEverything(rule.path), name: rule.name } : [];
  });
}

export function denyEverything(path: string): ClusterPolicyRule {
  return { path, name: "", action: "Deny", peers: [], protocols: "any", malformed: true };
}

/** @returns undefined for a rule that is left out */
function decodeRule(
  cursor: Cursor,
  direction: "ingress" | "egress",
  dialect: Dialect,
): ClusterPolicyRule | undefined {
  const known = FIELDS[direction][dialect.ports];
  const fields = cursor.isAbsent ? cursor.required("must be a rule with an action") : cursor.fields(known);
  if (fields === BAD || fields === undefined) return denyEverything(cursor.path);
  const name = decodeRuleName(fields.at("name"));
  const action = decodeAction(fields.at("action"), dialect);
  const match = decodeMatch(fields, { direction, dialect, action: action === BAD ? undefined : action });
  const denial = { ...denyEverything(cursor.path), name };
  if (action === BAD) return denial;
  if (match === BAD) return action === "Accept" ? undefined : denial;
  if (action !== "Accept" && !match.isComplete) return denial;
  const { peers, protocols } = match;
  return { path: cursor.path, name, action, peers, protocols, malformed: false };
}

/** Only for people: whatever it is, the rule means the same. */
function decodeRuleName(cursor: Cursor): string {
  const name = orElse(cursor.string(), "");
  if (name.length > MAX_NAME) cursor.invalid("invalid-name", `may not be longer than ${MAX_NAME} characters`);
  return name;
}

function decodeAction(cursor: Cursor, { actions, kind }: Dialect): ClusterPolicyRule["action"] | typeof BAD {
  const written = cursor.isAbsent ? cursor.required() : cursor.string();
  if (written === BAD || written === undefined) return BAD;
  const action = actions.get(written);
  if (action !== undefined) return action;
  const list = [...actions.keys()].map((word) => JSON.stringify(word)).join(", ");
  const isOtherWord = written === "Allow" || written === "Accept";
  const [accept] = actions.keys();
  cursor.error(
    "unsupported-value",
    `Unsupported value: ${JSON.stringify(written)}: supported values: ${list}`,
    isOtherWord ? `${kind} calls it ${accept}` : didYouMean(closestWord(written, actions.keys())),
  );
  return BAD;
}

interface RulePlace {
  readonly direction: "ingress" | "egress";
  readonly dialect: Dialect;
  /** undefined where it could not be read. */
  readonly action: ClusterPolicyRule["action"] | undefined;
}

interface Match {
  readonly peers: readonly ClusterPolicyPeer[];
  readonly protocols: ClusterPolicyRule["protocols"];
  readonly isComplete: boolean;
}

function decodeMatch(fields: Fields, place: RulePlace): Match | typeof BAD {
  const { direction, dialect } = place;
  const peersAt = fields.at(direction === "ingress" ? "from" : "to");
  const peers = decodeFilled(peersAt, (item) => decodeClusterPeer(item, place), dialect.maxItems);
  const portsAt = fields.at(dialect.ports);
  const ports = portsAt.isAbsent
    ? undefined
    : decodeFilled(portsAt, (item) => decodeClusterPort(item, dialect), dialect.maxItems);
  if (peers === BAD || ports === BAD || !mayNamePorts(fields, peers, ports)) return BAD;
  if (portsAt.isAbsent && fields.hasUnknown(FIELDS[direction][dialect.ports])) {
    // The API server drops what it does not know, and what is left says more than its author meant.
    fields.report.warn({
      code: "wide-rule",
      path: fields.path,
      message: `the API server ignores unknown fields, so without \`${dialect.ports}\` this rule means every port`,
    });
  }
  return {
    peers: peers.items,
    protocols: ports?.items ?? "any",
    isComplete: peers.isComplete && (ports?.isComplete ?? true),
  };
}

/** A list that must be there and have an item. */
function decodeFilled<T>(
  cursor: Cursor,
  decodeItem: (item: Cursor) => T | typeof BAD,
  limit: number,
): Alternatives<T> | typeof BAD {
  const decoded = decodeAlternatives(cursor, decodeItem, limit);
  return decoded ?? cursor.required("must have at least one item");
}

/** Only pods have named ports. The API refuses such a rule as a whole. */
function mayNamePorts(
  { report, path }: Fields,
  peers: Alternatives<ClusterPolicyPeer>,
  ports: Alternatives<ClusterPolicyPort> | undefined,
): boolean {
  const isNamed = ports?.items.some(({ port }) => port.kind === "named") ?? false;
  if (!isNamed || peers.items.every(({ kind }) => kind === "pods")) return true;
  const message = "networks and nodes have no named ports: a rule may not have both";
  report.error({ code: "named-port-without-pods", path, message });
  return false;
}
