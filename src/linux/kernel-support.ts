/** @module What `tortie doctor` asks of the machine. Changes nothing: everything is tried in namespaces that end at once. */
import { spawnSync } from "node:child_process";
import { release } from "node:os";
import { koffiProblem } from "./libc.ts";
import { insidePrivateNetwork, unshareCommand } from "./private-network.ts";

export interface KernelCheck {
  readonly name: string;
  readonly ok: boolean;
  /** Whether nothing works without it; the rest are conveniences. */
  readonly required: boolean;
  /** What was found: a version, or the first line of what went wrong. */
  readonly detail: string;
  /** One thing to do about it; absent when it is fine. */
  readonly fix?: string;
}

export interface KernelReport {
  readonly checks: readonly KernelCheck[];
  /** Whether every required check passed. */
  readonly usable: boolean;
  /** One command that installs all programs that are missing; absent when none is. */
  readonly install?: string;
}

const TIMEOUT_MS = 10_000;

interface Run {
  readonly ok: boolean;
  readonly line: string;
}

function run(argv: readonly string[]): Run {
  const [program = "", ...rest] = argv;
  const result = spawnSync(program, rest, { encoding: "utf8", timeout: TIMEOUT_MS });
  if (result.error) return { ok: false, line: result.error.message };
  const [line = ""] = `${result.stdout}${result.stderr}`.trim().split("\n");
  return { ok: result.status === 0, line };
}

/** In new namespaces, as the product itself would be. */
function runInside(script: string): Run {
  const shell = ["sh", "-c", script];
  return run(
    insidePrivateNetwork()
      ? ["unshare", "--net", "--", ...shell]
      : unshareCommand(shell, process.geteuid?.() ?? 0),
  );
}

const PROBES: readonly {
  readonly name: string;
  readonly required: boolean;
  readonly script: string;
  readonly option: string;
}[] = [
  {
    name: "veth pairs",
    required: true,
    script: "ip link add tt0 type veth peer name tt1",
    option: "CONFIG_VETH",
  },
  { name: "bridge", required: true, script: "ip link add tt0 type bridge", option: "CONFIG_BRIDGE" },
  {
    name: "nf_tables",
    required: true,
    script:
      "nft 'add table inet t; add chain inet t c { type filter hook forward priority 0; }; add rule inet t c accept'",
    option: "CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET",
  },
  {
    name: "connection tracking",
    required: true,
    script: "nft 'add table inet t; add chain inet t c; add rule inet t c ct state established accept'",
    option: "CONFIG_NF_CONNTRACK, CONFIG_NFT_CT",
  },
  {
    name: "address translation",
    required: false,
    script:
      "nft 'add table inet t; add chain inet t c { type nat hook prerouting priority -100; }; add rule inet t c meta l4proto tcp dnat ip to 10.0.0.1:80; add chain inet t d { type nat hook postrouting priority 100; }; add rule inet t d masquerade'",
    option: "CONFIG_NFT_NAT, CONFIG_NFT_MASQ",
  },
  {
    name: "SCTP connection tracking",
    required: false,
    script:
      "test -e /proc/sys/net/netfilter/nf_conntrack_sctp_timeout_established || { nft 'add table inet t; add chain inet t c; add rule inet t c ct state new accept'; test -e /proc/sys/net/netfilter/nf_conntrack_sctp_timeout_established; }",
    option: "CONFIG_NF_CT_PROTO_SCTP",
  },
  {
    name: "IPv6",
    required: false,
    script: "ip link set lo up; ip -6 addr add fd00::1/128 dev lo",
    option: "CONFIG_IPV6, and ipv6.disable=0 on the kernel's command line",
  },
];

const PROGRAMS: readonly {
  readonly name: string;
  readonly version: readonly string[];
  readonly package: string;
  readonly use: string;
}[] = [
  { name: "nft", version: ["nft", "--version"], package: "nftables", use: "to show the rules in force" },
  { name: "ip", version: ["ip", "-V"], package: "iproute2", use: "to look into namespaces" },
  {
    name: "conntrack",
    version: ["conntrack", "--version"],
    package: "conntrack",
    use: "to show connections",
  },
  { name: "busybox", version: ["busybox"], package: "busybox-static", use: "for programs in pods" },
  { name: "iperf3", version: ["iperf3", "--version"], package: "iperf3", use: "for benchmarks" },
];

/** How a user gets namespaces, by what stands in the way on the common distributions. */
const USER_NAMESPACE_FIX =
  "run as root, or allow user namespaces: sysctl -w user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0 (those that exist)";

function namespaceChecks(): readonly KernelCheck[] {
  const problem = koffiProblem();
  const unshare = run(["unshare", "--version"]);
  const allowed = unshare.ok ? runInside("true") : { ok: false, line: "unshare is missing" };
  const root = (process.geteuid?.() ?? 0) === 0;
  return [
    {
      name: "koffi",
      required: true,
      ok: problem === undefined,
      detail: problem ?? "loads",
      ...(problem === undefined
        ? {}
        : { fix: `npm install koffi (prebuilt for ${process.platform}-${process.arch}?)` }),
    },
    {
      name: "unshare",
      required: true,
      ok: unshare.ok,
      detail: unshare.line,
      ...(unshare.ok ? {} : { fix: "apt-get install util-linux" }),
    },
    {
      name: root ? "network namespaces" : "user and network namespaces",
      required: true,
      ok: allowed.ok,
      detail: allowed.ok ? (root ? "as root" : "without root") : allowed.line,
      ...(allowed.ok
        ? {}
        : { fix: root ? "CAP_SYS_ADMIN is needed: run outside of the container" : USER_NAMESPACE_FIX }),
    },
  ];
}

/**
 * Tries everything that Tortie needs of the kernel, about 0.2 s in all. Needs no privileges and enters nothing.
 * @returns checks in the order in which one would mend them
 */
export function inspectKernel(): KernelReport {
  if (process.platform !== "linux") {
    const fix = "use Linux for packets; explaining and checking policies works everywhere";
    const check = { name: "Linux", required: true, ok: false, detail: process.platform, fix };
    return { checks: [check], usable: false };
  }
  const namespaces = namespaceChecks();
  const programs = PROGRAMS.map((program): KernelCheck => {
    const found = run(program.version);
    const check = {
      name: program.name,
      required: false,
      ok: found.ok,
      detail: found.ok ? found.line : program.use,
    };
    return found.ok ? check : { ...check, fix: `apt-get install ${program.package}` };
  });
  const has = (name: string): boolean => programs.some((program) => program.name === name && program.ok);
  const inside = namespaces.every((check) => check.ok);
  const probes = PROBES.map((probe): KernelCheck => {
    const program = probe.script.startsWith("ip ") ? "ip" : "nft";
    const tried = inside && has(program) ? runInside(`set -e; ${probe.script}`) : undefined;
    if (tried?.ok) return { name: probe.name, required: probe.required, ok: true, detail: "works" };
    return {
      name: probe.name,
      // What could not be tried for want of a program is not known to be missing: netlink works without it.
      required: probe.required && (tried !== undefined || !inside),
      ok: false,
      detail: tried?.line ?? (inside ? `not tried: ${program} is missing` : "not tried: no namespaces"),
      fix: tried
        ? `a kernel with ${probe.option}`
        : inside
          ? `apt-get install ${program === "ip" ? "iproute2" : "nftables"}`
          : "first, namespaces",
    };
  });
  const checks = [
    { name: "Linux", required: true, ok: true, detail: release() },
    ...namespaces,
    ...probes,
    ...programs,
  ];
  const usable = checks.every((check) => check.ok || !check.required);
  const missing = PROGRAMS.filter((program) => !has(program.name)).map((program) => program.package);
  if (missing.length === 0) return { checks, usable };
  return { checks, usable, install: `apt-get install ${missing.join(" ")}` };
}
