/** @module A container's environment: what its spec says, what it refers to, and the Services of its namespace. */

import type { Container, EnvVar } from "kubernetes-types/core/v1.js";
import { ownValue } from "../base/own.ts";
import type { Client } from "../client/client.ts";
import { isReason } from "../client/client.ts";
import { CONFIG_MAPS, type Pod, SECRETS, type Service } from "../client/kinds.ts";
import { ConfigError } from "./config-error.ts";

/** What the downward API can tell of a pod. */
export interface PodFacts {
  readonly pod: Pod;
  readonly addresses: readonly string[];
  readonly hostAddresses: readonly string[];
}

export interface EnvironmentSources {
  readonly client: Client;
  readonly services: Iterable<Service>;
  readonly facts: PodFacts;
}

/** @throws ConfigError when something it refers to is not there */
export async function environmentOf(
  container: Container,
  sources: EnvironmentSources,
): Promise<[string, string][]> {
  const { pod } = sources.facts;
  const values = new Map<string, string>();
  const withLinks = pod.spec.enableServiceLinks !== false;
  for (const [name, value] of serviceLinks(pod, sources.services, withLinks)) values.set(name, value);
  for (const { prefix = "", configMapRef, secretRef } of container.envFrom ?? []) {
    const reference = configMapRef ?? secretRef;
    if (!reference) continue;
    const data = await dataOf(
      sources,
      configMapRef ? "ConfigMap" : "Secret",
      reference.name ?? "",
      reference.optional === true,
    );
    for (const [name, value] of Object.entries(data ?? {})) values.set(prefix + name, value.toString());
  }
  for (const variable of container.env ?? []) {
    const value = await valueOfVariable(variable, container, sources);
    if (value !== undefined) values.set(variable.name, expand(value, values));
  }
  return [...values];
}

async function valueOfVariable(
  variable: EnvVar,
  container: Container,
  sources: EnvironmentSources,
): Promise<string | undefined> {
  const { valueFrom } = variable;
  if (!valueFrom) return variable.value ?? "";
  const reference = valueFrom.configMapKeyRef ?? valueFrom.secretKeyRef;
  if (reference) {
    const kind = valueFrom.configMapKeyRef ? "ConfigMap" : "Secret";
    const data = await dataOf(sources, kind, reference.name ?? "", reference.optional === true);
    const value = ownValue(data, reference.key);
    if (value !== undefined) return value.toString();
    if (reference.optional === true) return undefined;
    throw new ConfigError(
      `couldn't find key ${reference.key} in ${kind} ${sources.facts.pod.metadata.namespace}/${reference.name}`,
    );
  }
  if (valueFrom.fieldRef) return podField(valueFrom.fieldRef.fieldPath, sources.facts);
  if (valueFrom.resourceFieldRef) return resourceField(valueFrom.resourceFieldRef.resource, container);
  return undefined;
}

/** @returns undefined when it is missing and may be. @throws ConfigError */
export async function dataOf(
  { client, facts }: Pick<EnvironmentSources, "client" | "facts">,
  kind: "ConfigMap" | "Secret",
  name: string,
  isOptional: boolean,
): Promise<Record<string, Buffer> | undefined> {
  const { namespace } = facts.pod.metadata;
  try {
    if (kind === "Secret") {
      const { data } = await client.get(SECRETS, { namespace, name });
      return Object.fromEntries(
        Object.entries(data ?? {}).map(([key, text]) => [key, Buffer.from(text, "base64")]),
      );
    }
    const { data, binaryData } = await client.get(CONFIG_MAPS, { namespace, name });
    return Object.fromEntries([
      ...Object.entries(data ?? {}).map(([key, text]) => [key, Buffer.from(text)] as const),
      ...Object.entries(binaryData ?? {}).map(([key, text]) => [key, Buffer.from(text, "base64")] as const),
    ]);
  } catch (error) {
    if (!isReason(error, "NotFound")) throw error;
    if (isOptional) return undefined;
    throw missing(kind, name);
  }
}

function missing(kind: string, name: string): ConfigError {
  return new ConfigError(`${kind.toLowerCase()} ${JSON.stringify(name)} not found`);
}

/** `$(NAME)` is the value of a variable that came before; `$$(NAME)` is itself. */
export function expand(text: string, values: ReadonlyMap<string, string>): string {
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (whole, name: string | undefined) => {
    if (name === undefined) return "$";
    return values.get(name) ?? whole;
  });
}

/** The fields that the downward API knows. @throws ConfigError */
export function podField(path: string, { pod, addresses, hostAddresses }: PodFacts): string {
  const { metadata, spec } = pod;
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (keyed) return ownValue(metadata[keyed[1] as "labels" | "annotations"], keyed[2] ?? "") ?? "";
  switch (path) {
    case "metadata.name":
      return metadata.name;
    case "metadata.namespace":
      return metadata.namespace ?? "";
    case "metadata.uid":
      return metadata.uid ?? "";
    case "metadata.labels":
      return mapText(metadata.labels);
    case "metadata.annotations":
      return mapText(metadata.annotations);
    case "spec.nodeName":
      return spec.nodeName ?? "";
    case "spec.serviceAccountName":
      return spec.serviceAccountName ?? "";
    case "status.podIP":
      return addresses[0] ?? "";
    case "status.podIPs":
      return addresses.join(",");
    case "status.hostIP":
      return hostAddresses[0] ?? "";
    case "status.hostIPs":
      return hostAddresses.join(",");
    default:
      throw new ConfigError(`unsupported fieldPath: ${path}`);
  }
}

function mapText(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join("\n");
}

function resourceField(resource: string, container: Container): string {
  const [list, name = ""] = resource.split(".");
  const values = list === "requests" ? container.resources?.requests : container.resources?.limits;
  return String(ownValue(values, name) ?? "0");
}

/** `WEB_SERVICE_HOST`, `WEB_PORT_80_TCP_ADDR` …: of the pod's namespace, and always of the API's own Service. */
function* serviceLinks(pod: Pod, services: Iterable<Service>, all: boolean): Iterable<[string, string]> {
  for (const { metadata, spec } of services) {
    const isApi = metadata.namespace === "default" && metadata.name === "kubernetes";
    if (!isApi && !(all && metadata.namespace === pod.metadata.namespace)) continue;
    const address = spec.clusterIP;
    if (!address || address === "None") continue;
    const name = metadata.name.toUpperCase().replaceAll("-", "_");
    const [first] = spec.ports ?? [];
    if (!first) continue;
    yield [`${name}_SERVICE_HOST`, address];
    yield [`${name}_SERVICE_PORT`, String(first.port)];
    yield [`${name}_PORT`, `${(first.protocol ?? "TCP").toLowerCase()}://${address}:${first.port}`];
    for (const port of spec.ports ?? []) {
      const protocol = port.protocol ?? "TCP";
      if (port.name)
        yield [`${name}_SERVICE_PORT_${port.name.toUpperCase().replaceAll("-", "_")}`, String(port.port)];
      const prefix = `${name}_PORT_${port.port}_${protocol}`;
      yield [prefix, `${protocol.toLowerCase()}://${address}:${port.port}`];
      yield [`${prefix}_PROTO`, protocol.toLowerCase()];
      yield [`${prefix}_PORT`, String(port.port)];
      yield [`${prefix}_ADDR`, address];
    }
  }
}
