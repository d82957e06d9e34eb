/** @module Which slices are written so that they say what is behind a Service, with as few writes as can be. Pure. */
import type { Endpoint, EndpointPort } from "kubernetes-types/discovery/v1.js";
import type { EndpointSlice } from "../client/kinds.ts";
import { canonical, isEqual } from "./equal.ts";

export const MAX_ENDPOINTS = 100;

export interface SlicePlan {
  readonly create: { readonly ports: readonly EndpointPort[]; readonly endpoints: Endpoint[] }[];
  readonly update: EndpointSlice[];
  readonly delete: EndpointSlice[];
}

interface Draft {
  readonly slice: EndpointSlice;
  readonly endpoints: Endpoint[];
  changed: boolean;
}

function keyOfEndpoint(endpoint: Endpoint): string {
  return `${endpoint.targetRef?.uid ?? ""} ${endpoint.addresses[0] ?? ""}`;
}

/**
 * Endpoints stay in the slice that they are in. New ones fill slices that are written anyway, then the fullest that has
 * room for all of the rest, then new slices.
 * @param slices - those of one Service and one family
 */
export function planSlices(
  slices: readonly EndpointSlice[],
  groups: readonly { readonly ports: readonly EndpointPort[]; readonly endpoints: readonly Endpoint[] }[],
): SlicePlan {
  const plan: SlicePlan = { create: [], update: [], delete: [] };
  const byPorts = new Map<string, EndpointSlice[]>();
  for (const slice of slices) {
    const key = canonical(slice.ports ?? []);
    byPorts.set(key, [...(byPorts.get(key) ?? []), slice]);
  }
  const kept: Draft[] = [];
  for (const group of groups) {
    const key = canonical(group.ports);
    const drafts = keep(byPorts.get(key) ?? [], group.endpoints);
    byPorts.delete(key);
    for (const rest of fill(drafts.drafts, drafts.added))
      plan.create.push({ ports: group.ports, endpoints: rest });
    kept.push(...drafts.drafts);
  }
  for (const draft of kept) {
    if (draft.endpoints.length === 0) plan.delete.push(draft.slice);
    else if (draft.changed) plan.update.push({ ...draft.slice, endpoints: draft.endpoints });
  }
  plan.delete.push(...[...byPorts.values()].flat());
  keepOne(plan, kept);
  return plan;
}

function keep(
  slices: readonly EndpointSlice[],
  wanted: readonly Endpoint[],
): { readonly drafts: Draft[]; readonly added: Endpoint[] } {
  const missing = new Map(wanted.map((endpoint) => [keyOfEndpoint(endpoint), endpoint]));
  const drafts = slices.map((slice): Draft => {
    const draft: Draft = { slice, endpoints: [], changed: false };
    for (const endpoint of slice.endpoints) {
      const key = keyOfEndpoint(endpoint);
      const present = missing.get(key);
      missing.delete(key);
      if (present) draft.endpoints.push(present);
      if (!present || !isEqual(present, endpoint)) draft.changed = true;
    }
    return draft;
  });
  return { drafts, added: [...missing.values()] };
}

/** @returns what needs new slices */
function fill(drafts: readonly Draft[], added: Endpoint[]): Endpoint[][] {
  const put = (draft: Draft): void => {
    const room = MAX_ENDPOINTS - draft.endpoints.length;
    if (room <= 0 || added.length === 0) return;
    draft.endpoints.push(...added.splice(0, room));
    draft.changed = true;
  };
  for (const draft of drafts) if (draft.changed) put(draft);
  const roomy = drafts
    .filter(({ endpoints }) => MAX_ENDPOINTS - endpoints.length >= added.length)
    .sort((a, b) => b.endpoints.length - a.endpoints.length)[0];
  if (roomy) put(roomy);
  for (const draft of [...drafts].sort((a, b) => b.endpoints.length - a.endpoints.length)) put(draft);
  const rest: Endpoint[][] = [];
  while (added.length > 0) rest.push(added.splice(0, MAX_ENDPOINTS));
  return rest;
}

/** A Service that nothing is behind has one empty slice, which says so. */
function keepOne(plan: SlicePlan, kept: readonly Draft[]): void {
  const isEmpty = plan.create.length === 0 && kept.every(({ endpoints }) => endpoints.length === 0);
  if (!isEmpty) return;
  const spare = plan.delete.shift();
  if (!spare) plan.create.push({ ports: [], endpoints: [] });
  else if (spare.endpoints.length > 0 || (spare.ports ?? []).length > 0)
    plan.update.push({ ...spare, endpoints: [], ports: [] });
}
