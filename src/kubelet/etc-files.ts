/** @module A pod's /etc/hosts and /etc/resolv.conf. */
import type { Pod } from "../client/kinds.ts";

export interface DnsSettings {
  /** The cluster's DNS Service. */
  readonly servers: readonly string[];
  readonly domain: string;
}

export function hostsFile(pod: Pod, hostname: string, addresses: readonly string[]): string {
  const lines = [
    "# Kubernetes-managed hosts file.",
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::\tip6-localnet",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
  ];
  const { subdomain } = pod.spec;
  const names = subdomain
    ? `${hostname}.${subdomain}.${pod.metadata.namespace}.svc.cluster.local\t${hostname}`
    : hostname;
  for (const address of addresses) lines.push(`${address}\t${names}`);
  const aliases = pod.spec.hostAliases ?? [];
  if (aliases.length > 0) lines.push("", "# Entries added by HostAliases.");
  for (const { ip, hostnames } of aliases) lines.push(`${ip}\t${(hostnames ?? []).join("\t")}`);
  return `${lines.join("\n")}\n`;
}

/** As the kubelet writes it for each dnsPolicy. */
export function resolvConf(pod: Pod, dns: DnsSettings): string {
  const policy = pod.spec.dnsPolicy ?? "ClusterFirst";
  const isCluster =
    policy === "ClusterFirstWithHostNet" || (policy === "ClusterFirst" && pod.spec.hostNetwork !== true);
  const config = pod.spec.dnsConfig;
  const search = [
    ...(isCluster ? [`${pod.metadata.namespace}.svc.${dns.domain}`, `svc.${dns.domain}`, dns.domain] : []),
    ...(config?.searches ?? []),
  ];
  const servers = [...(isCluster ? dns.servers : []), ...(config?.nameservers ?? [])];
  // A pod's own option is instead of the cluster's of that name.
  const values = new Map<string, string | undefined>(isCluster ? [["ndots", "5"]] : []);
  for (const { name, value } of config?.options ?? []) if (name !== undefined) values.set(name, value);
  const options = [...values].map(([name, value]) => (value === undefined ? name : `${name}:${value}`));
  return [
    ...(search.length > 0 ? [`search ${search.join(" ")}`] : []),
    ...servers.slice(0, 3).map((server) => `nameserver ${server}`),
    ...(options.length > 0 ? [`options ${options.join(" ")}`] : []),
    "",
  ].join("\n");
}
