/** @module From the paths that a user gives to a cluster: read, decode, report what is wrong, refuse half an input. */
import { Cluster, type ClusterOptions } from "../analysis/cluster.ts";
import { OpError } from "../base/errors.ts";
import { formatIssue, type Issue } from "../base/issue.ts";
import { decodeTexts, type LoadResult } from "../resources/load.ts";
import type { KubernetesObject } from "../resources/object.ts";
import type { Io } from "./io.ts";
import { paintFor } from "./paint.ts";
import { readInputs } from "./read-files.ts";

export interface InputOptions {
  readonly filename: readonly string[];
  readonly namespace?: string;
  /** Answer from what could be read; policies with errors isolate what they select. */
  readonly keepGoing?: boolean;
}

/** @throws OpError `input-invalid` after all issues are told, unless asked to go on */
export async function loadObjects(io: Io, options: InputOptions): Promise<LoadResult> {
  if (options.filename.length === 0) {
    throw new OpError("no manifests: name files, folders or globs with -f (or - for standard input)", {
      code: "input-invalid",
    });
  }
  const texts = await readInputs(options.filename, { folder: io.folder, stdin: io.stdin });
  const loaded = decodeTexts(
    texts,
    options.namespace === undefined ? {} : { defaultNamespace: options.namespace },
  );
  reportIssues(io, loaded.issues, options.keepGoing === true);
  return loaded;
}

/** Tells all issues on stderr. @throws OpError `input-invalid` when some is an error and `keepGoing` is false */
export function reportIssues(io: Io, issues: readonly Issue[], keepGoing: boolean): void {
  const paint = paintFor({ colour: io.colour });
  for (const issue of issues)
    io.err(issue.severity === "error" ? paint.bad(formatIssue(issue)) : paint.warn(formatIssue(issue)));
  const errors = issues.filter(({ severity }) => severity === "error").length;
  if (errors === 0) return;
  const count = `${errors} error${errors === 1 ? "" : "s"} in the input`;
  if (!keepGoing) {
    throw new OpError(
      `${count}, so there is no answer; --keep-going answers from what could be read, failing closed`,
      { code: "input-invalid" },
    );
  }
  io.err(`${count}; going on, with broken policies failing closed`);
}

export async function loadCluster(io: Io, options: InputOptions): Promise<Cluster> {
  const { objects } = await loadObjects(io, options);
  const namespace = options.namespace === undefined ? {} : { defaultNamespace: options.namespace };
  const cluster = new Cluster({ ...clusterOptions(objects), ...namespace });
  cluster.apply(objects);
  cluster.sync();
  return cluster;
}

/** Pods get IPv6 addresses too when anything in the input speaks of one. */
export function clusterOptions(
  objects: readonly KubernetesObject[],
  alsoSpokenOf: readonly string[] = [],
): ClusterOptions {
  const ipv6 = alsoSpokenOf.some((text) => text.includes(":")) || objects.some(speaksOfIpv6);
  return { podNetworks: ipv6 ? ["192.168.0.0/16", "fd00:10:244::/64"] : ["192.168.0.0/16"] };
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
