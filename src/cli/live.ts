/** @module The objects of a running cluster, as if they were manifests: what its API says of pods, policies and Services. */
import { isReason } from "../client/client.ts";
import { HttpClient } from "../client/http-client.ts";
import { JOBS, REPLICA_SETS } from "../client/kinds.ts";
import { readContext } from "../client/kubeconfig.ts";
import type { KubeObject, ResourceType } from "../client/objects.ts";
import { POLICIES, POLICY_FACTS, STAGED_POLICIES } from "../client/policy-kinds.ts";
import { decodeValue, type LoadResult } from "../resources/load.ts";
import { VERSION } from "./version.ts";

/** Read to tell which workload a pod is of; the pods themselves are there already. */
const WORKLOADS: readonly ResourceType[] = [REPLICA_SETS, JOBS];

/**
 * @param name - a context of the kubeconfig; "": the current one
 * @throws OpError `api-unreachable`; ApiError when the user may not read
 */
export async function readLive(name: string): Promise<LoadResult> {
  const { connection, name: context } = readContext(name === "" ? undefined : name);
  const client = new HttpClient({ ...connection, userAgent: `tortie/${VERSION}` });
  try {
    const types = [...POLICY_FACTS, ...POLICIES, ...STAGED_POLICIES, ...WORKLOADS];
    const lists = await Promise.all(types.map((type) => listOf(client, type)));
    const items = lists.flat().filter((item) => !isUnplaced(item));
    const result = decodeValue(
      { apiVersion: "v1", kind: "List", items },
      { file: `context ${context}`, locate: () => undefined },
    );
    return {
      ...result,
      objects: result.objects.filter(({ kind }) => kind !== "ReplicaSet" && kind !== "Job"),
    };
  } finally {
    client.close();
  }
}

/** An API that does not know a kind has none of it. */
async function listOf(client: HttpClient, type: ResourceType): Promise<readonly KubeObject[]> {
  try {
    return (await client.list(type)).items;
  } catch (error) {
    if (isReason(error, "NotFound")) return [];
    throw error;
  }
}

/** A pod without an address takes no part yet; here it would be given one. */
function isUnplaced(item: KubeObject): boolean {
  if (item.kind !== "Pod") return false;
  const { status } = item as KubeObject & { status?: { podIP?: string } };
  return !status?.podIP;
}
