/** @module `tortie get`: what was understood of the manifests. */
import { Cluster } from "../../analysis/cluster.ts";
import { previewable } from "../../analysis/preview.ts";
import { OpError } from "../../base/errors.ts";
import { formatIp } from "../../base/ip.ts";
import { formatIssue, type Issue } from "../../base/issue.ts";
import type { PolicyState } from "../../calc/types.ts";
import { hasDefaults } from "../../policy/evaluate.ts";
import { originPosition } from "../../policy/explain.ts";
import { PROFILE_TIER } from "../../policy/model.ts";
import { ruleText, selectorText } from "../../policy/rule-text.ts";
import { comparePolicies } from "../../policy/world.ts";
import { clusterOptions, type InputOptions, readObjects } from "../inputs.ts";
import type { Io } from "../io.ts";
import { counted, structured } from "../output.ts";
import { paintFor } from "../paint.ts";
import { textTable } from "../table.ts";

export interface GetOptions extends InputOptions {
  readonly output?: "json" | "yaml" | "wide";
}

const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ["policies", "policies"],
  ["policy", "policies"],
  ["netpol", "policies"],
  ["networkpolicies", "policies"],
  ["networkpolicy", "policies"],
  ["pods", "pods"],
  ["pod", "pods"],
  ["po", "pods"],
  ["issues", "issues"],
  ["issue", "issues"],
]);
type Kind = "policies" | "pods" | "issues";

interface PolicyData {
  readonly tier: string;
  readonly order: number | string;
  readonly policy: string;
  /** Pods, and workloads that are none. */
  readonly selects: number;
  /** Host endpoints; absent where there are none. */
  readonly selectsHosts?: number;
  readonly ingress: string;
  readonly egress: string;
  readonly subject: string;
  readonly position: string;
  readonly rules: readonly {
    readonly direction: string;
    readonly path: string;
    readonly position: string;
    readonly rule: string;
  }[];
}

interface PodData {
  readonly pod: string;
  readonly workload: string;
  readonly node: string;
  readonly addresses: readonly string[];
  readonly identity: string;
  readonly isolated: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly policies: readonly string[];
}

/** Issues are an answer here, not a reason to stop; they still decide the exit status. */
export async function runGet(io: Io, word: string | undefined, options: GetOptions): Promise<number> {
  const wanted = word === undefined ? undefined : KINDS.get(word.toLowerCase());
  if (word !== undefined && wanted === undefined) {
    throw new OpError(`get ${word}: one of policies, pods, issues`, { code: "input-invalid" });
  }
  const loaded = await readObjects(io, options);
  const cluster = new Cluster(clusterOptions(loaded.objects, options));
  cluster.apply(loaded.objects);
  cluster.sync();
  const shown = (kind: Kind): boolean => wanted === undefined || wanted === kind;
  if (options.output === "json" || options.output === "yaml") {
    io.out(
      structured(options.output, {
        ...(shown("policies") && { policies: policyData(cluster) }),
        ...(shown("pods") && { pods: podData(cluster) }),
        ...(shown("issues") && { issues: loaded.issues }),
        ...(wanted === undefined && { ignored: loaded.ignored }),
      }),
    );
  } else {
    const wide = options.output === "wide";
    const titled = wanted === undefined;
    if (shown("policies"))
      tell(
        io,
        "POLICIES",
        [...policyLines(policyData(cluster), wide), ...stagedLines(cluster, options)],
        titled,
      );
    if (shown("pods")) tell(io, "PODS", podLines(podData(cluster), wide), titled);
    if (shown("issues")) tell(io, "ISSUES", issueLines(io, loaded.issues), titled);
    if (titled && loaded.ignored > 0)
      io.out(`${counted(loaded.ignored, "document")} without a bearing on policy passed over`);
  }
  const errors = loaded.issues.filter(({ severity }) => severity === "error").length;
  if (errors > 0 && !shown("issues"))
    io.err(
      `${counted(errors, "error")} in the input, and broken policies fail closed: see tortie get issues`,
    );
  return errors > 0 ? 2 : 0;
}

function tell(io: Io, title: string, lines: readonly string[], titled: boolean): void {
  if (titled) io.out(paintFor(io).bold(title));
  for (const line of lines) io.out(line);
  if (titled) io.out("");
}

/** What is not in force is not listed, which its author should hear. */
function stagedLines(cluster: Cluster, { staged }: GetOptions): string[] {
  const count = previewable(cluster);
  if (staged || count === 0) return [];
  return [
    `${counted(count, "staged policy", "staged policies")} not in force: --staged lists them as if enforced`,
  ];
}

function policyData(cluster: Cluster): PolicyData[] {
  const ordered = cluster.graph.orderedTiers();
  const tiers = new Map(ordered.map((tier, place) => [tier.name, { ...tier, place }]));
  const placeOf = ({ policy }: PolicyState): number => tiers.get(policy.tier)?.place ?? ordered.length;
  const states = [...cluster.graph.policies.values()]
    .filter(({ policy }) => policy.tier !== PROFILE_TIER)
    .sort((a, b) => placeOf(a) - placeOf(b) || comparePolicies(a.policy, b.policy));
  return states.map((state) => {
    const { policy } = state;
    const denies = tiers.get(policy.tier)?.defaultAction === "deny" && hasDefaults(policy.stage ?? "normal");
    const governs = (direction: "ingress" | "egress"): string => {
      const rules = state[direction];
      if (rules === undefined) return "-";
      return rules.length === 0 ? (denies ? "deny all" : "no rules") : counted(rules.length, "rule");
    };
    const { pods, hosts } = selectedCount(state);
    return {
      tier: policy.tier,
      order: Number.isFinite(policy.order) ? policy.order : "unset",
      policy: policy.id,
      selects: pods,
      ...(hosts > 0 && { selectsHosts: hosts }),
      ingress: governs("ingress"),
      egress: governs("egress"),
      subject: selectorText(policy.subject),
      position: originPosition(policy.origin),
      rules: (["ingress", "egress"] as const).flatMap((direction) => ruleData(state, direction)),
    };
  });
}

function selectedCount({ subject }: PolicyState): { readonly pods: number; readonly hosts: number } {
  const count = { pods: 0, hosts: 0 };
  for (const { selectable, classes } of subject.members)
    for (const { endpoints } of classes)
      count[selectable.kind === "host" ? "hosts" : "pods"] += endpoints.size;
  return count;
}

function ruleData(state: PolicyState, direction: "ingress" | "egress"): PolicyData["rules"] {
  return (state[direction] ?? []).map(({ rule }) => ({
    direction,
    path: rule.origin.path,
    position: originPosition(rule.origin),
    rule: ruleText(rule),
  }));
}

function podData(cluster: Cluster): PodData[] {
  const numbers = new Map(
    [...cluster.graph.identities.values()].map((identity, index) => [identity, index + 1]),
  );
  const places = new Map(cluster.plan.pods.map((place) => [place.key, place]));
  return [...cluster.pods].map(([id, pod]) => {
    const state = cluster.graph.endpoints.get(id);
    const place = places.get(id);
    const base = {
      pod: id,
      workload: pod.workload ? `${pod.workload.kind}/${pod.workload.name}` : "",
      node: place?.node ?? "",
      labels: { ...pod.labels },
    };
    if (!state) {
      const why = pod.spec.hostNetwork ? "host network" : "finished";
      return {
        ...base,
        addresses: pod.spec.hostNetwork ? [...(place?.addresses ?? [])] : [],
        identity: `(${why})`,
        isolated: "-",
        policies: [],
      };
    }
    const { identity } = state.labelClass;
    const program = cluster.graph.programOf(identity);
    const isolated = (["ingress", "egress"] as const).filter(
      (direction) => program[direction].tiers.length > 0,
    );
    const policies = isolated.flatMap((direction) =>
      program[direction].tiers.flatMap((tier) => tier.policies.map(({ policy }) => policy.id)),
    );
    return {
      ...base,
      addresses: state.endpoint.addresses.map(formatIp),
      identity: String(numbers.get(identity) ?? ""),
      isolated: isolated.join(", ") || "no",
      policies: [...new Set(policies)].sort(),
    };
  });
}

function policyLines(policies: readonly PolicyData[], wide: boolean): string[] {
  if (policies.length === 0) return ["no policies: every pod reaches every pod"];
  const head = [
    "TIER",
    "ORDER",
    "POLICY",
    "SELECTS",
    "INGRESS",
    "EGRESS",
    ...(wide ? ["SUBJECT", "FILE"] : []),
  ];
  return textTable(
    head,
    policies.map(({ tier, order, policy, selects, selectsHosts, ingress, egress, subject, position }) => [
      tier,
      String(order),
      policy,
      [
        ...(selects > 0 || !selectsHosts ? [counted(selects, "pod")] : []),
        ...(selectsHosts ? [counted(selectsHosts, "host endpoint")] : []),
      ].join(", "),
      ingress,
      egress,
      ...(wide ? [subject, position] : []),
    ]),
  );
}

function podLines(pods: readonly PodData[], wide: boolean): string[] {
  if (pods.length === 0) return ["no pods"];
  const head = [
    "POD",
    "NODE",
    "IP",
    "IDENTITY",
    "ISOLATED",
    ...(wide ? ["WORKLOAD", "LABELS", "POLICIES"] : []),
  ];
  return textTable(
    head,
    pods.map(({ pod, node, addresses, identity, isolated, workload, labels, policies }) => {
      const text = Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(",");
      return [
        pod,
        node,
        addresses.join(","),
        identity,
        isolated,
        ...(wide ? [workload || "-", text || "<none>", policies.join(", ") || "-"] : []),
      ];
    }),
  );
}

function issueLines(io: Io, issues: readonly Issue[]): string[] {
  const paint = paintFor(io);
  if (issues.length === 0) return ["none"];
  return issues.map((issue) => (issue.severity === "error" ? paint.bad : paint.warn)(formatIssue(issue)));
}
