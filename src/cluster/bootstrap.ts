/** @module What every cluster has from the start: namespaces, roles, the Service of the API itself. */
import type { Client } from "../client/client.ts";
import { isReason } from "../client/client.ts";
import {
  DEPLOYMENTS,
  ENDPOINT_SLICES,
  ENDPOINTS,
  NAMESPACES,
  SERVICE_ACCOUNTS,
  SERVICES,
} from "../client/kinds.ts";
import type { KubeObject, ResourceType } from "../client/objects.ts";
import { bootstrapRbac } from "./bootstrap-rbac.ts";

async function ensure<T extends KubeObject>(client: Client, type: ResourceType<T>, object: T): Promise<void> {
  try {
    await client.create(type, object);
  } catch (error) {
    if (!isReason(error, "AlreadyExists", "Invalid")) throw error;
    // Someone who changed it knows why.
    if (isReason(error, "Invalid")) await client.get(type, object.metadata);
  }
}

export interface BootstrapOptions {
  /** The API's own Service: the first address of the range. */
  readonly apiAddress: string;
  readonly apiPort: number;
  /** Where the API listens inside the cluster: the first node's. */
  readonly apiEndpoint: string;
  /** The DNS Service's, one a family. */
  readonly dnsAddresses: readonly string[];
}

/** Makes what is missing, and mends roles; anything else that is there stays as it is. */
export async function bootstrap(client: Client, options: BootstrapOptions): Promise<void> {
  for (const name of ["default", "kube-system", "kube-public", "kube-node-lease"])
    await ensure(client, NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  await bootstrapRbac(client);
  await ensure(client, SERVICES, {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: "kubernetes",
      namespace: "default",
      labels: { component: "apiserver", provider: "kubernetes" },
    },
    spec: {
      type: "ClusterIP",
      clusterIP: options.apiAddress,
      ports: [{ name: "https", port: 443, protocol: "TCP", targetPort: options.apiPort }],
    },
  });
  await ensure(client, ENDPOINTS, {
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: {
      name: "kubernetes",
      namespace: "default",
      labels: { "endpointslice.kubernetes.io/skip-mirror": "true" },
    },
    subsets: [
      {
        addresses: [{ ip: options.apiEndpoint }],
        ports: [{ name: "https", port: options.apiPort, protocol: "TCP" }],
      },
    ],
  });
  await ensure(client, ENDPOINT_SLICES, {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: "kubernetes",
      namespace: "default",
      labels: { "kubernetes.io/service-name": "kubernetes" },
    },
    addressType: "IPv4",
    endpoints: [{ addresses: [options.apiEndpoint], conditions: { ready: true } }],
    ports: [{ name: "https", port: options.apiPort, protocol: "TCP" }],
  });
  await bootstrapDns(client, options.dnsAddresses);
}

/** DNS as kubeadm sets it up: a Deployment like any other, which policy applies to. */
async function bootstrapDns(client: Client, addresses: readonly string[]): Promise<void> {
  const namespace = "kube-system";
  const labels = { "k8s-app": "kube-dns" };
  await ensure(client, SERVICE_ACCOUNTS, {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: "coredns", namespace },
  });
  await ensure(client, SERVICES, {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: "kube-dns",
      namespace,
      labels: { ...labels, "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS" },
    },
    spec: {
      ...(addresses[0] !== undefined && { clusterIP: addresses[0] }),
      clusterIPs: [...addresses],
      ipFamilyPolicy: addresses.length > 1 ? "PreferDualStack" : "SingleStack",
      selector: labels,
      ports: [
        { name: "dns", port: 53, protocol: "UDP", targetPort: 53 },
        { name: "dns-tcp", port: 53, protocol: "TCP", targetPort: 53 },
      ],
    },
  });
  await ensure(client, DEPLOYMENTS, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "coredns", namespace, labels },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: "coredns",
          dnsPolicy: "Default",
          priorityClassName: "system-cluster-critical",
          tolerations: [{ key: "CriticalAddonsOnly", operator: "Exists" }],
          // Whoever asks meanwhile waits for this one to come back, not for a long farewell.
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name: "coredns",
              image: "registry.k8s.io/coredns/coredns:v1.12.1",
              imagePullPolicy: "IfNotPresent",
              ports: [
                { name: "dns", containerPort: 53, protocol: "UDP" },
                { name: "dns-tcp", containerPort: 53, protocol: "TCP" },
              ],
              readinessProbe: { httpGet: { path: "/ready", port: 8181 }, periodSeconds: 1 },
            },
          ],
        },
      },
    },
  });
}
