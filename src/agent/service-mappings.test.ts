import { expect, test } from "vitest";
import { LiveCluster } from "../analysis/live-cluster.ts";
import { formatIp } from "../base/ip.ts";
import { decodeValue } from "../resources/load.ts";
import { NO_SOURCE } from "../resources/source.ts";
import { serviceMappings } from "./service-mappings.ts";

/** Where a pod of node1 with such ports is reached, as `ADDRESS:PORT -> BACKEND`, on a node. */
function doors(ports: object[], node = "node1"): string[] {
  const cluster = new LiveCluster();
  const metadata = { name: "web", namespace: "default" };
  for (const object of [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } },
    ...["172.18.0.2", "172.18.0.3"].map((address, index) => ({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: `node${index + 1}` },
      status: { addresses: [{ type: "InternalIP", address }] },
    })),
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata,
      spec: { nodeName: "node1", containers: [{ name: "c", image: "nginx", ports }] },
      status: { phase: "Running", podIP: "192.168.0.7", podIPs: [{ ip: "192.168.0.7" }] },
    },
  ])
    for (const decoded of decodeValue(object, NO_SOURCE).objects) cluster.set(decoded);
  cluster.flush();
  return serviceMappings(cluster, node).flatMap(({ addresses, port, backends }) =>
    addresses.map(
      (one) => `${formatIp(one)}:${port} -> ${backends.map((to) => `${formatIp(to.address)}:${to.port}`)}`,
    ),
  );
}

test("a host port leads from its node's address to the pod", () => {
  const ports = [{ containerPort: 80, hostPort: 8080 }];
  expect(doors(ports)).toEqual(["172.18.0.2:8080 -> 192.168.0.7:80"]);
  expect(doors(ports, "node2")).toEqual([]);
});

test.each(["172.18.0.2", "0.0.0.0", "::"])("at %s it is the node's", (hostIP) => {
  expect(doors([{ containerPort: 80, hostPort: 8080, hostIP }])).toEqual([
    "172.18.0.2:8080 -> 192.168.0.7:80",
  ]);
});

test.each(["192.168.0.9", "172.18.0.3", "203.0.113.7", "nonsense"])(
  "nobody takes an address that is not the node's: %s",
  (hostIP) => {
    expect(doors([{ containerPort: 80, hostPort: 8080, hostIP }])).toEqual([]);
  },
);

test.each([70_000, -1, 0.5])("what can be no port leads nowhere: %d", (hostPort) => {
  expect(doors([{ containerPort: 80, hostPort }])).toEqual([]);
});
