/** @module Where the policies of a running cluster are in force: what its agents report, held against what its API has. */
import { NODE_NETWORKS, policyKey } from "../../agent/report.ts";
import { HttpClient } from "../../client/http-client.ts";
import { NODES } from "../../client/kinds.ts";
import { keyOf } from "../../client/objects.ts";
import { POLICIES } from "../../client/policy-kinds.ts";
import { readCredentials } from "../../cluster/credentials.ts";
import type { Layout } from "../../cluster/layout.ts";

export interface PolicyInForce {
  readonly policy: string;
  /** Nodes that have its latest version, of so many. */
  readonly nodes: number;
  readonly of: number;
}

/** Cost: the policies of the cluster. @throws OpError `api-unreachable` */
export async function policiesInForce(layout: Layout): Promise<PolicyInForce[]> {
  const token = readCredentials(layout)?.tokens["admin"] ?? "";
  const client = new HttpClient({
    server: "http://tortie",
    socketPath: layout.apiSocket,
    token,
    userAgent: "tortie-status",
  });
  try {
    const [nodes, reports] = [await client.list(NODES), await client.list(NODE_NETWORKS)];
    const found: PolicyInForce[] = [];
    for (const type of POLICIES) {
      for (const object of (await client.list(type)).items) {
        const key = policyKey(type, object);
        const version = object.metadata.resourceVersion;
        const there = reports.items.filter(
          ({ status }) => status?.policies?.[key]?.resourceVersion === version,
        );
        found.push({ policy: `${type.kind} ${keyOf(object)}`, nodes: there.length, of: nodes.items.length });
      }
    }
    return found;
  } finally {
    client.close();
  }
}
