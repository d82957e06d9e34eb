/** @module From the paths that a user gives to a cluster: read, decode, report what is wrong, refuse half an input. */
import { Cluster, type ClusterOptions } from "../analysis/cluster.ts";
import { unknownTiers } from "../analysis/lint-references.ts";
import { OpError } from "../base/errors.ts";
import { type Cidr, type Family, formatCidr, parseCidr } from "../base/ip.ts";
import { formatIssue, type Issue } from "../base/issue.ts";
import { BLOCK_PREFIX } from "../network/address-blocks.ts";
import { decodeTexts, type LoadResult } from "../resources/load.ts";
import type { KubernetesObject } from "../resources/object.ts";
import type { Io } from "./io.ts";
import { counted } from "./output.ts";
import { paintFor } from "./paint.ts";
import { readInputs } from "./read-files.ts";
import { speaksOfIpv6 } from "./speaks-of-ipv6.ts";

export interface InputOptions {
  readonly filename: readonly string[];
  /** Patterns of files that are not read. */
  readonly exclude?: readonly string[];
  /** A running cluster, by its context; files then stand for what would be applied to it. "": the current context. */
  readonly context?: string | true;
  readonly namespace?: string;
  /** Where pods get addresses: at most one CIDR a family. */
  readonly podCidr?: readonly string[];
  /** Answer from what could be read; policies with errors isolate what they select. */
  readonly keepGoing?: boolean;
  /** Answer as if staged policies were enforced. */
  readonly staged?: boolean;
}

/** Reads what the options name. What is wrong in it is told in the result's issues. @throws OpError as `readInputs` */
export async function readObjects(io: Io, options: InputOptions): Promise<LoadResult> {
  if (options.context !== undefined) return readOverLive(io, options);
  if (options.filename.length === 0) {
    throw new OpError(
      "no manifests: name files, folders or globs with -f (or - for standard input), or a running cluster with --context",
      {
        code: "input-invalid",
      },
    );
  }
  const texts = await readInputs(options.filename, {
    folder: io.folder,
    stdin: io.stdin,
    exclude: options.exclude ?? [],
  });
  return decodeTexts(texts, options.namespace === undefined ? {} : { defaultNamespace: options.namespace });
}

/** What runs, and over it what the files would change. */
async function readOverLive(io: Io, { context, ...options }: InputOptions): Promise<LoadResult> {
  const live = await (await import("./live.ts")).readLive(context === true ? "" : (context ?? ""));
  if (options.filename.length === 0) return live;
  const files = await readObjects(io, options);
  return {
    ...files,
    objects: [...live.objects, ...files.objects],
    issues: [...live.issues, ...files.issues],
  };
}

/** Whether some text holds an object that nobody could read. No answer is safe without it, whatever the user asks for. */
export function isUnread(issues: readonly Issue[]): boolean {
  return issues.some(({ unread }) => unread === true);
}

/**
 * Tells all issues on stderr.
 * @throws OpError `input-invalid` when some is an error and `keepGoing` is false, or some object could not be read at all
 */
export function reportIssues(io: Io, issues: readonly Issue[], keepGoing: boolean): void {
  const paint = paintFor({ colour: io.colour });
  for (const issue of issues)
    io.err(issue.severity === "error" ? paint.bad(formatIssue(issue)) : paint.warn(formatIssue(issue)));
  const errors = issues.filter(({ severity }) => severity === "error").length;
  if (errors === 0) return;
  const count = `${counted(errors, "error")} in the input`;
  if (keepGoing && isUnread(issues)) {
    throw new OpError(
      `${count}, and some object could not be read at all, so there is no answer; --exclude leaves a file out by its name`,
      { code: "input-invalid" },
    );
  }
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
  return (await loadWithOptions(io, options)).cluster;
}

/** @returns the cluster, and the options that another one of the same objects is made with */
export async function loadWithOptions(
  io: Io,
  options: InputOptions & { readonly spokenOf?: readonly string[] },
): Promise<{ readonly cluster: Cluster; readonly options: ClusterOptions }> {
  const { objects, issues } = await readObjects(io, options);
  // Of what lint finds, the one thing that may be a misspelt word.
  reportIssues(io, [...issues, ...unknownTiers({ objects })], options.keepGoing === true);
  const made: ClusterOptions = {
    ...clusterOptions(objects, options),
    ...(options.namespace !== undefined && { defaultNamespace: options.namespace }),
  };
  const cluster = new Cluster(made);
  cluster.apply(objects);
  cluster.sync();
  return { cluster, options: made };
}

const DEFAULT_POD_NETWORK: Readonly<Record<4 | 6, string>> = { 4: "192.168.0.0/16", 6: "fd00:10:244::/64" };

/**
 * The pod network: what the user asks for, at most one CIDR a family; else the first IPPool of the family that is in use;
 * else the default. Pods get IPv6 addresses too when anything in the input speaks of one.
 * @throws OpError `input-invalid`
 */
export function clusterOptions(
  objects: readonly KubernetesObject[],
  options: {
    readonly podCidr?: readonly string[];
    readonly spokenOf?: readonly string[];
    readonly staged?: boolean;
  } = {},
): ClusterOptions {
  const asked = askedNetworks(options.podCidr ?? []);
  const pools = pooledNetworks(objects);
  const ipv6 =
    asked.has(6) || options.spokenOf?.some((text) => text.includes(":")) || objects.some(speaksOfIpv6);
  const families: readonly Family[] = ipv6 ? [4, 6] : [4];
  return {
    podNetworks: families.map(
      (family) => asked.get(family) ?? pools.get(family) ?? DEFAULT_POD_NETWORK[family],
    ),
    ...(options.staged && { staged: true }),
  };
}

/** @throws OpError `input-invalid` */
function askedNetworks(texts: readonly string[]): Map<Family, string> {
  const asked = new Map<Family, string>();
  for (const text of texts) {
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
  return asked;
}

/** A pool has at least one block of addresses; one that is smaller cannot be what nodes take theirs from. */
function pooledNetworks(objects: readonly KubernetesObject[]): Map<Family, string> {
  const pools = new Map<Family, string>();
  for (const object of objects) {
    if (object.kind !== "IPPool" || object.disabled) continue;
    const cidr: Cidr | undefined = parseCidr(object.cidr)?.cidr;
    if (!cidr || cidr.prefix > BLOCK_PREFIX[cidr.family] || pools.has(cidr.family)) continue;
    pools.set(cidr.family, object.cidr);
  }
  return pools;
}
