/** @module Services as this node is to translate them: what their EndpointSlices say. */
import type { LiveCluster } from "../analysis/live-cluster.ts";
import type { ServiceMapping } from "../policy/services.ts";

export function serviceMappings(cluster: LiveCluster, _node: string): ServiceMapping[] {
  const index = cluster.serviceIndex();
  const mappings: ServiceMapping[] = [];
  for (const object of cluster.objects.values())
    if (object.kind === "Service") mappings.push(...index.mappings(object));
  return mappings;
}
