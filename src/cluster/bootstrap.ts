/** @module What every cluster has from the start: namespaces, roles, the Service of the API itself. */
import type { Client } from "../client/client.ts";
import { isReason } from "../client/client.ts";
import { DEPLOYMENTS, ENDPOINT_SLICES, NAMESPACES, SERVICE_ACCOUNTS, SERVICES } from "../client/kinds.ts";
import type { KubeObject, ResourceType } from "../client/objects.ts";

interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

interface ClusterRole extends KubeObject {
  readonly rules: readonly Rule[];
}

interface ClusterRoleBinding extends KubeObject {
  readonly roleRef: { readonly apiGroup: string; readonly kind: string; readonly name: string };
  readonly subjects: readonly {
    readonly kind: string;
    readonly name: string;
    readonly namespace?: string;
    readonly apiGroup?: string;
  }[];
}

const RBAC = "rbac.authorization.k8s.io";
const CLUSTER_ROLES: ResourceType<ClusterRole> = {
  group: RBAC,
  version: "v1",
  kind: "ClusterRole",
  plural: "clusterroles",
  namespaced: false,
};
const CLUSTER_ROLE_BINDINGS: ResourceType<ClusterRoleBinding> = {
  group: RBAC,
  version: "v1",
  kind: "ClusterRoleBinding",
  plural: "clusterrolebindings",
  namespaced: false,
};

const READ = ["get", "list", "watch"];
const ALL_POLICIES = ["networking.k8s.io", "policy.networking.k8s.io", "projectcalico.org"];

/** As kube-apiserver's bootstrap policy, as far as this cluster's parts need it. */
const ROLES: Readonly<Record<string, readonly Rule[]>> = {
  "cluster-admin": [
    { apiGroups: ["*"], resources: ["*"], verbs: ["*"] },
    { nonResourceURLs: ["*"], verbs: ["*"] },
  ],
  edit: [
    {
      apiGroups: ["", "apps", "batch", "networking.k8s.io", "policy", "discovery.k8s.io"],
      resources: ["*"],
      verbs: ["*"],
    },
  ],
  view: [
    {
      apiGroups: [""],
      resources: [
        "configmaps",
        "endpoints",
        "events",
        "limitranges",
        "namespaces",
        "pods",
        "pods/log",
        "pods/status",
        "resourcequotas",
        "serviceaccounts",
        "services",
      ],
      verbs: READ,
    },
    {
      apiGroups: ["apps", "batch", "networking.k8s.io", "policy", "discovery.k8s.io"],
      resources: ["*"],
      verbs: READ,
    },
  ],
  "system:discovery": [
    {
      nonResourceURLs: [
        "/",
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/openapi",
        "/openapi/*",
        "/version",
        "/version/",
      ],
      verbs: ["get"],
    },
  ],
  "system:basic-user": [
    {
      apiGroups: ["authorization.k8s.io"],
      resources: ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
      verbs: ["create"],
    },
    { apiGroups: ["authentication.k8s.io"], resources: ["selfsubjectreviews"], verbs: ["create"] },
  ],
  "system:node": [
    { apiGroups: [""], resources: ["nodes", "nodes/status"], verbs: [...READ, "create", "patch", "update"] },
    {
      apiGroups: [""],
      resources: ["pods", "services", "configmaps", "secrets", "serviceaccounts", "namespaces"],
      verbs: READ,
    },
    { apiGroups: [""], resources: ["pods", "pods/status"], verbs: ["delete", "patch", "update"] },
    { apiGroups: [""], resources: ["serviceaccounts/token"], verbs: ["create"] },
    { apiGroups: [""], resources: ["events"], verbs: ["create", "patch", "update"] },
    {
      apiGroups: ["coordination.k8s.io"],
      resources: ["leases"],
      verbs: ["create", "get", "patch", "update"],
    },
  ],
  "tortie:agent": [
    {
      apiGroups: [""],
      resources: ["nodes", "pods", "namespaces", "services", "serviceaccounts", "endpoints"],
      verbs: READ,
    },
    { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: READ },
    { apiGroups: ALL_POLICIES, resources: ["*"], verbs: READ },
    {
      apiGroups: ["tortie.dev"],
      resources: ["nodenetworks", "nodenetworks/status"],
      verbs: ["create", "get", "patch", "update"],
    },
  ],
  "system:coredns": [
    { apiGroups: [""], resources: ["services", "pods", "namespaces", "nodes"], verbs: READ },
    { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: READ },
  ],
};

const GROUPS: readonly (readonly [role: string, group: string])[] = [
  ["cluster-admin", "system:masters"],
  ["system:discovery", "system:authenticated"],
  ["system:basic-user", "system:authenticated"],
  ["system:node", "system:nodes"],
  ["tortie:agent", "tortie:agents"],
];

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

/** Makes what is missing; what is there stays as it is. */
export async function bootstrap(client: Client, options: BootstrapOptions): Promise<void> {
  for (const name of ["default", "kube-system", "kube-public", "kube-node-lease"])
    await ensure(client, NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  const labels = { "kubernetes.io/bootstrapping": "rbac-defaults" };
  for (const [name, rules] of Object.entries(ROLES))
    await ensure(client, CLUSTER_ROLES, {
      apiVersion: `${RBAC}/v1`,
      kind: "ClusterRole",
      metadata: { name, labels },
      rules,
    });
  for (const [role, group] of GROUPS) {
    await ensure(client, CLUSTER_ROLE_BINDINGS, {
      apiVersion: `${RBAC}/v1`,
      kind: "ClusterRoleBinding",
      metadata: { name: role, labels },
      roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: role },
      subjects: [{ kind: "Group", name: group, apiGroup: RBAC }],
    });
  }
  await ensure(client, CLUSTER_ROLE_BINDINGS, {
    apiVersion: `${RBAC}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name: "system:coredns", labels },
    roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: "system:coredns" },
    subjects: [{ kind: "ServiceAccount", name: "coredns", namespace: "kube-system" }],
  });
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
