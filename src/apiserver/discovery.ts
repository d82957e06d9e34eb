/** @module What the server serves, in both forms that clients ask for: aggregated, and group by group. */
import type { JsonObject } from "./json.ts";
import type { ServedResource } from "./served.ts";

interface GroupVersion {
  readonly group: string;
  readonly version: string;
  readonly resources: readonly ServedResource[];
}

/** In the order that clients are to prefer. */
function groupVersions(resources: readonly ServedResource[]): GroupVersion[] {
  const found = new Map<string, { group: string; version: string; resources: ServedResource[] }>();
  for (const resource of resources) {
    const key = `${resource.group}/${resource.version}`;
    const known = found.get(key) ?? { group: resource.group, version: resource.version, resources: [] };
    found.set(key, known);
    known.resources.push(resource);
  }
  return [...found.values()];
}

function scopeOf(resource: ServedResource): string {
  return resource.namespaced ? "Namespaced" : "Cluster";
}

/** `APIGroupDiscoveryList` of the core group, or of all others. */
export function aggregatedDiscovery(
  resources: readonly ServedResource[],
  isCore: boolean,
  version: string,
): JsonObject {
  const groups = new Map<string, GroupVersion[]>();
  for (const one of groupVersions(resources)) {
    if ((one.group === "") !== isCore) continue;
    groups.set(one.group, [...(groups.get(one.group) ?? []), one]);
  }
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: [...groups].map(([group, versions]) => ({
      metadata: group === "" ? {} : { name: group },
      versions: versions.map((one) => ({
        version: one.version,
        freshness: "Current",
        resources: one.resources.map((resource) => aggregatedResource(resource)),
      })),
    })),
  };
}

function aggregatedResource(resource: ServedResource): JsonObject {
  const { group, version, kind } = resource;
  return {
    resource: resource.plural,
    responseKind: { group, version, kind },
    scope: scopeOf(resource),
    singularResource: resource.singular,
    verbs: [...resource.verbs],
    ...(resource.shortNames.length > 0 && { shortNames: [...resource.shortNames] }),
    ...(resource.categories.length > 0 && { categories: [...resource.categories] }),
    ...(resource.subresources.length > 0 && {
      subresources: resource.subresources.map((part) => ({
        subresource: part.name,
        responseKind: { group: part.group ?? group, version: part.version ?? version, kind: part.kind },
        verbs: [...part.verbs],
      })),
    }),
  };
}

export function apiVersions(address: string): JsonObject {
  return {
    kind: "APIVersions",
    versions: ["v1"],
    serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: address }],
  };
}

export function groupList(resources: readonly ServedResource[]): JsonObject {
  return {
    kind: "APIGroupList",
    apiVersion: "v1",
    groups: groupNames(resources).map((group) => groupOf(resources, group) as JsonObject),
  };
}

function groupNames(resources: readonly ServedResource[]): string[] {
  return [...new Set(resources.map(({ group }) => group))].filter((group) => group !== "");
}

/** @returns undefined when there is no such group */
export function groupOf(resources: readonly ServedResource[], group: string): JsonObject | undefined {
  const versions = groupVersions(resources)
    .filter((one) => one.group === group)
    .map(({ version }) => ({ groupVersion: `${group}/${version}`, version }));
  const [preferred] = versions;
  return (
    preferred && { kind: "APIGroup", apiVersion: "v1", name: group, versions, preferredVersion: preferred }
  );
}

/** @returns undefined when there is no such group and version */
export function resourceList(
  resources: readonly ServedResource[],
  group: string,
  version: string,
): JsonObject | undefined {
  const found = resources.filter((resource) => resource.group === group && resource.version === version);
  if (found.length === 0) return undefined;
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: group === "" ? version : `${group}/${version}`,
    resources: found.flatMap((resource): JsonObject[] => [
      {
        name: resource.plural,
        singularName: resource.singular,
        namespaced: resource.namespaced,
        kind: resource.kind,
        verbs: [...resource.verbs],
        ...(resource.shortNames.length > 0 && { shortNames: [...resource.shortNames] }),
        ...(resource.categories.length > 0 && { categories: [...resource.categories] }),
      },
      ...resource.subresources.map((part) => ({
        name: `${resource.plural}/${part.name}`,
        singularName: "",
        namespaced: resource.namespaced,
        kind: part.kind,
        verbs: [...part.verbs],
        ...(part.group !== undefined && { group: part.group, version: part.version ?? "v1" }),
      })),
    ]),
  };
}
