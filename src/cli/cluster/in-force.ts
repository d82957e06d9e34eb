/** @module Where the policies of a running cluster are in force, as its API says. */
import { HttpClient } from "../../client/http-client.ts";
import { keyOf } from "../../client/objects.ts";
import { POLICIES } from "../../client/policy-kinds.ts";
import { readCredentials } from "../../cluster/credentials.ts";
import type { Layout } from "../../cluster/layout.ts";

export interface PolicyInForce {
  readonly policy: string;
  /** Nodes that have its latest version, and how soon the last of them had it: `2/2 nodes, 3 ms`. */
  readonly inForce: string;
}

const ANSWER_MS = 2000;

/** Cost: the policies of the cluster. @throws OpError `api-unreachable` */
export async function policiesInForce(layout: Layout): Promise<PolicyInForce[]> {
  const token = readCredentials(layout)?.tokens["admin"] ?? "";
  const client = new HttpClient({
    server: "http://tortie",
    socketPath: layout.apiSocket,
    token,
    userAgent: "tortie-status",
  });
  // A control plane that is stopped takes connections and answers none.
  const timer = setTimeout(() => client.close(), ANSWER_MS);
  try {
    const tables = await Promise.all(
      POLICIES.map(async (type) =>
        (await client.table(type)).map(({ object, cells }) => ({
          policy: `${type.kind} ${keyOf(object)}`,
          inForce: cells.get("In force") ?? "",
        })),
      ),
    );
    return tables.flat();
  } finally {
    clearTimeout(timer);
    client.close();
  }
}
