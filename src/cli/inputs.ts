/** @module From the paths that a user gives to a cluster: read, decode, report what is wrong, refuse half an input. */
import { Cluster, type ClusterOptions } from "../analysis/cluster.ts";
import { OpError } from "../base/errors.ts";
import { formatCidr, parseCidr } from "../base/ip.ts";
import { formatIssue, type Issue } from "../base/issue.ts";
import { decodeTexts, type LoadResult } from "../resources/load.ts";
import type { KubernetesObject } from "../resources/object.ts";
import type { Io } from "./io.ts";
import { counted } from "./output.ts";
import { paintFor } from "./paint.ts";
import { readInputs } from "./read-files.ts";

export interface InputOptions {
  readonly filename: readonly string[];
  readonly namespace?: string;
  /** Where pods get addresses: at most one CIDR a family. */
  readonly podCidr?: readonly string[];
  /** Answer from what could be read; policies with errors isolate what they select. */
  readonly keepGoing?: boolean;
}

/** Reads what the options name. What is wrong in it is told in the result's issues. @throws OpError as `readInputs` */
export async function readObjects(io: Io, options: InputOptions): Promise<LoadResult> {
  if (options.filename.length === 0) {
    throw new OpError("no manifests: name files, folders or globs with -f (or - for standard input)", {
      code: "input-invalid",
    });
  }
  const texts = await readInputs(options.filename, { folder: io.folder, stdin: io.stdin });
  return decodeTexts(texts, options.namespace === undefined ? {} : { defaultNamespace: options.namespace });
}

/** Tells all issues on stderr. @throws OpError `input-invalid` when some is an error and `keepGoing` is false */
export function reportIssues(io: Io, issues: readonly Issue[], keepGoing: boolean): void {
  const paint = paintFor({ colour: io.colour });
  for (const issue of issues)
    io.err(issue.severity === "error" ? paint.bad(formatIssue(issue)) : paint.warn(formatIssue(issue)));
  const errors = issues.filter(({ severity }) => severity === "error").length;
  if (errors === 0) return;
  const count = `${counted(errors, "error")} in the input`;
  if (!keepGoing) {
    throw new OpError(
      `${count}, so there is no answer; --keep-going answers from what could be read, failing closed`,
      { code: "input-invalid" },
    );
  }
  io.err(`${count}; going on, with broken policies failing closed`);
}

/** @param options - `spokenOf`: names and addresses of the question; an IPv6 address among them gives pods IPv6 too */
export async function loadCluster(
  io: Io,
  options: InputOptions & { readonly spokenOf?: readonly string[] },
): Promise<Cluster> {
  const { objects, issues } = await readObjects(io, options);
  reportIssues(io, issues, options.keepGoing === true);
  const namespace = options.namespace === undefined ? {} : { defaultNamespace: options.namespace };
  const cluster = new Cluster({ ...clusterOptions(objects, options), ...namespace });
  cluster.apply(objects);
  cluster.sync();
  return cluster;
}

const DEFAULT_POD_NETWORK: Readonly<Record<4 | 6, string>> = { 4: "192.168.0.0/16", 6: "fd00:10:244::/64" };

/**
 * The pod network: what the user asks for, at most one CIDR a family; else the default. Pods get IPv6 addresses too when
 * anything in the input speaks of one.
 * @throws OpError `input-invalid`
 */
export function clusterOptions(
  objects: readonly KubernetesObject[],
  options: { readonly podCidr?: readonly string[]; readonly spokenOf?: readonly string[] } = {},
): ClusterOptions {
  const asked = new Map<4 | 6, string>();
  for (const text of options.podCidr ?? []) {
    const parsed = parseCidr(text);
    if (!parsed || parsed.hostBits) {
      throw new OpError(
        `--pod-cidr ${text}: not a CIDR${parsed ? `; did you mean ${formatCidr(parsed.cidr)}?` : ""}`,
        {
          code: "input-invalid",
        },
      );
    }
    const { family } = parsed.cidr;
    if (asked.has(family))
      throw new OpError(`--pod-cidr: two for IPv${family}; one for each family`, { code: "input-invalid" });
    asked.set(family, text);
  }
  const ipv6 =
    asked.has(6) || options.spokenOf?.some((text) => text.includes(":")) || objects.some(speaksOfIpv6);
  const families: readonly (4 | 6)[] = ipv6 ? [4, 6] : [4];
  return { podNetworks: families.map((family) => asked.get(family) ?? DEFAULT_POD_NETWORK[family]) };
}

function speaksOfIpv6(object: KubernetesObject): boolean {
  const has = (texts: readonly string[]): boolean => texts.some((text) => text.includes(":"));
  switch (object.kind) {
    case "Pod":
      return has(object.podIPs);
    case "Node":
      return has(object.addresses) || has(object.podCIDRs);
    case "Service":
      return has(object.clusterIPs);
    case "NetworkPolicy":
      return [...object.spec.ingress, ...object.spec.egress].some(
        ({ peers }) => peers !== "any" && peers.some((peer) => peer.kind === "ipBlock" && has([peer.cidr])),
      );
    default:
      return false;
  }
}
