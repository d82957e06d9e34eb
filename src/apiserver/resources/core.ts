/** @module The core group: pods, nodes, namespaces, Services and what they need. */
import { arrayAt, at, stringAt } from "../json.ts";
import { field } from "../selectors.ts";
import { type Draft, READ_VERBS, type ServedResource } from "../served.ts";
import { strategyOf } from "../strategies.ts";
import { humanDuration } from "../tables.ts";
import { column, define, labelsText, noneIfEmpty, numberAt, statusOf, text } from "./define.ts";
import { EVENTS } from "./events.ts";

const PROXY_VERBS: readonly string[] = ["create", "delete", "get", "patch", "update"];

const POD_FIELDS = {
  "spec.nodeName": field("spec.nodeName"),
  "spec.restartPolicy": field("spec.restartPolicy"),
  "spec.schedulerName": field("spec.schedulerName"),
  "spec.serviceAccountName": field("spec.serviceAccountName"),
  "spec.hostNetwork": (object: unknown): string => String(at(object, "spec", "hostNetwork") === true),
  "status.phase": field("status.phase"),
  "status.podIP": field("status.podIP"),
  "status.nominatedNodeName": field("status.nominatedNodeName"),
};

/** Names of init containers that run as long as the pod does. */
function sidecarsOf(object: Draft): ReadonlySet<string | undefined> {
  const inits = arrayAt(object, "spec", "initContainers");
  return new Set(
    inits.filter((one) => stringAt(one, "restartPolicy") === "Always").map((one) => stringAt(one, "name")),
  );
}

function isInitialized(object: Draft): boolean {
  return statuses(object, "conditions").some(
    (one) => stringAt(one, "type") === "Initialized" && stringAt(one, "status") === "True",
  );
}

/** Containers that are ready, of those that are to run as long as the pod does. */
function readyCount(object: Draft): string {
  const sidecars = sidecarsOf(object);
  const running = [
    ...statuses(object, "initContainerStatuses").filter((one) => sidecars.has(stringAt(one, "name"))),
    ...statuses(object, "containerStatuses"),
  ];
  const ready = running.filter((one) => at(one, "ready") === true).length;
  return `${ready}/${arrayAt(object, "spec", "containers").length + sidecars.size}`;
}

function statuses(object: Draft, list: string): readonly unknown[] {
  return arrayAt(object, "status", list);
}

/** As kubectl's printPod: what keeps a pod from running, in one word. */
export function podReason(object: Draft): string {
  const phase = stringAt(object, "status", "phase") ?? "Pending";
  let reason = stringAt(object, "status", "reason") ?? phase;
  const inits = statuses(object, "initContainerStatuses");
  const total = arrayAt(object, "spec", "initContainers").length;
  const sidecars = sidecarsOf(object);
  let initializing = false;
  for (const [place, status] of inits.entries()) {
    const terminated = at(status, "state", "terminated");
    if (terminated !== undefined && numberAt(terminated, "exitCode") === 0) continue;
    if (sidecars.has(stringAt(status, "name")) && at(status, "started") === true) continue;
    const waiting = stringAt(status, "state", "waiting", "reason");
    if (terminated !== undefined) {
      reason = `Init:${stringAt(terminated, "reason") || `ExitCode:${numberAt(terminated, "exitCode")}`}`;
    } else if (waiting && waiting !== "PodInitializing") reason = `Init:${waiting}`;
    else reason = `Init:${place}/${total}`;
    initializing = true;
    break;
  }
  if (!initializing || isInitialized(object)) {
    let hasRunning = false;
    for (const status of [...statuses(object, "containerStatuses")].reverse()) {
      const waiting = stringAt(status, "state", "waiting", "reason");
      const terminated = at(status, "state", "terminated");
      if (waiting) reason = waiting;
      else if (terminated !== undefined) reason = terminationWord(terminated);
      else if (at(status, "ready") === true && at(status, "state", "running") !== undefined)
        hasRunning = true;
    }
    if (reason === "Completed" && hasRunning) reason = "Running";
  }
  if (object.metadata.deletionTimestamp !== undefined) {
    if (stringAt(object, "status", "reason") === "NodeLost") return "Unknown";
    if (phase !== "Succeeded" && phase !== "Failed") return "Terminating";
  }
  return reason;
}

function terminationWord(terminated: unknown): string {
  const reason = stringAt(terminated, "reason");
  if (reason) return reason;
  const signal = numberAt(terminated, "signal");
  return signal === 0 ? `ExitCode:${numberAt(terminated, "exitCode")}` : `Signal:${signal}`;
}

function restarts(object: Draft, now: number): string {
  const all = [...statuses(object, "initContainerStatuses"), ...statuses(object, "containerStatuses")];
  const total = all.reduce<number>((sum, status) => sum + numberAt(status, "restartCount"), 0);
  const last = all
    .map((status) => stringAt(status, "lastState", "terminated", "finishedAt"))
    .filter((time) => time !== undefined)
    .sort()
    .at(-1);
  return total > 0 && last !== undefined
    ? `${total} (${humanDuration(now - Date.parse(last))} ago)`
    : String(total);
}

const pods = define({
  group: "",
  kind: "Pod",
  plural: "pods",
  short: ["po"],
  categories: ["all"],
  subresources: [
    { name: "attach", kind: "PodAttachOptions", verbs: ["create", "get"] },
    { name: "binding", kind: "Binding", verbs: ["create"] },
    { name: "ephemeralcontainers", kind: "Pod", verbs: ["get", "patch", "update"] },
    { name: "eviction", kind: "Eviction", group: "policy", version: "v1", verbs: ["create"] },
    { name: "exec", kind: "PodExecOptions", verbs: ["create", "get"] },
    { name: "log", kind: "Pod", verbs: ["get"] },
    { name: "portforward", kind: "PodPortForwardOptions", verbs: ["create", "get"] },
    { name: "proxy", kind: "PodProxyOptions", verbs: PROXY_VERBS },
    statusOf("Pod"),
  ],
  columns: [
    column("Ready", readyCount),
    column("Status", podReason),
    column("Restarts", (object, { now }) => restarts(object, now)),
  ],
  wide: [
    column("IP", (object) => noneIfEmpty(stringAt(object, "status", "podIP") ?? ""), { wide: true }),
    column("Node", (object) => noneIfEmpty(stringAt(object, "spec", "nodeName") ?? ""), { wide: true }),
    column("Nominated Node", (object) => noneIfEmpty(stringAt(object, "status", "nominatedNodeName") ?? ""), {
      wide: true,
    }),
    column(
      "Readiness Gates",
      (object) => {
        const gates = arrayAt(object, "spec", "readinessGates").map((gate) =>
          stringAt(gate, "conditionType"),
        );
        if (gates.length === 0) return "<none>";
        const met = arrayAt(object, "status", "conditions").filter(
          (one) => gates.includes(stringAt(one, "type")) && stringAt(one, "status") === "True",
        );
        return `${met.length}/${gates.length}`;
      },
      { wide: true },
    ),
  ],
  strategy: { ...strategyOf("Pod"), hasStatus: true, fields: POD_FIELDS },
});

function nodeStatus(object: Draft): string {
  const ready = arrayAt(object, "status", "conditions").find((one) => stringAt(one, "type") === "Ready");
  const word = stringAt(ready, "status") === "True" ? "Ready" : ready === undefined ? "Unknown" : "NotReady";
  return at(object, "spec", "unschedulable") === true ? `${word},SchedulingDisabled` : word;
}

function nodeAddress(object: Draft, type: string): string {
  const found = arrayAt(object, "status", "addresses").find((one) => stringAt(one, "type") === type);
  return noneIfEmpty(stringAt(found, "address") ?? "");
}

const ROLE = "node-role.kubernetes.io/";

const nodes = define({
  group: "",
  kind: "Node",
  plural: "nodes",
  cluster: true,
  short: ["no"],
  subresources: [statusOf("Node")],
  columns: [
    column("Status", nodeStatus),
    column("Roles", (object) =>
      noneIfEmpty(
        Object.keys(object.metadata.labels ?? {})
          .filter((label) => label.startsWith(ROLE))
          .map((label) => label.slice(ROLE.length))
          .sort()
          .join(","),
      ),
    ),
  ],
  wide: [
    column("Version", text("status", "nodeInfo", "kubeletVersion")),
    column("Internal-IP", (object) => nodeAddress(object, "InternalIP"), { wide: true }),
    column("External-IP", (object) => nodeAddress(object, "ExternalIP"), { wide: true }),
    column("OS-Image", text("status", "nodeInfo", "osImage"), { wide: true }),
    column("Kernel-Version", text("status", "nodeInfo", "kernelVersion"), { wide: true }),
    column("Container-Runtime", text("status", "nodeInfo", "containerRuntimeVersion"), { wide: true }),
  ],
  strategy: {
    ...strategyOf("Node"),
    hasStatus: true,
    fields: { "spec.unschedulable": (object) => String(at(object, "spec", "unschedulable") === true) },
  },
});

const namespaces = define({
  group: "",
  kind: "Namespace",
  plural: "namespaces",
  cluster: true,
  short: ["ns"],
  verbs: ["create", "delete", "get", "list", "patch", "update", "watch"],
  subresources: [{ name: "finalize", kind: "Namespace", verbs: ["update"] }, statusOf("Namespace")],
  columns: [column("Status", text("status", "phase"))],
  strategy: {
    ...strategyOf("Namespace"),
    hasStatus: true,
    validName: "label",
    fields: { "status.phase": field("status.phase") },
  },
});

function ingressAddresses(object: Draft): string {
  return arrayAt(object, "status", "loadBalancer", "ingress")
    .map((one) => stringAt(one, "ip") ?? stringAt(one, "hostname") ?? "")
    .join(",");
}

function externalIps(object: Draft): string {
  const ips = arrayAt(object, "spec", "externalIPs").map(String);
  switch (stringAt(object, "spec", "type")) {
    case "LoadBalancer": {
      const all = [ingressAddresses(object), ...ips].filter((one) => one !== "");
      return all.length === 0 ? "<pending>" : all.join(",");
    }
    case "ExternalName":
      return stringAt(object, "spec", "externalName") ?? "";
    default:
      return noneIfEmpty(ips.join(","));
  }
}

function servicePorts(object: Draft): string {
  return noneIfEmpty(
    arrayAt(object, "spec", "ports")
      .map((port) => {
        const nodePort = numberAt(port, "nodePort");
        const middle = nodePort === 0 ? "" : `:${nodePort}`;
        return `${numberAt(port, "port")}${middle}/${stringAt(port, "protocol") ?? "TCP"}`;
      })
      .join(","),
  );
}

const services = define({
  group: "",
  kind: "Service",
  plural: "services",
  short: ["svc"],
  categories: ["all"],
  subresources: [{ name: "proxy", kind: "ServiceProxyOptions", verbs: PROXY_VERBS }, statusOf("Service")],
  columns: [
    column("Type", text("spec", "type")),
    column("Cluster-IP", (object) => noneIfEmpty(stringAt(object, "spec", "clusterIP") ?? "")),
    column("External-IP", externalIps),
    column("Port(s)", servicePorts),
  ],
  wide: [column("Selector", (object) => labelsText(at(object, "spec", "selector")), { wide: true })],
  strategy: {
    ...strategyOf("Service"),
    hasStatus: true,
    validName: "label-rfc1035",
    fields: { "spec.clusterIP": field("spec.clusterIP"), "spec.type": field("spec.type") },
  },
});

function endpointsText(object: Draft): string {
  const found = arrayAt(object, "subsets").flatMap((subset) =>
    arrayAt(subset, "addresses").flatMap((address) => {
      const ip = stringAt(address, "ip") ?? "";
      const ports = arrayAt(subset, "ports");
      return ports.length === 0 ? [ip] : ports.map((port) => `${ip}:${numberAt(port, "port")}`);
    }),
  );
  const more = found.length > 3 ? ` + ${found.length - 3} more...` : "";
  return noneIfEmpty(found.slice(0, 3).join(",")) + more;
}

function dataCount(object: Draft): number {
  return (
    Object.keys((object["data"] ?? {}) as object).length +
    Object.keys((object["binaryData"] ?? {}) as object).length
  );
}

export const CORE: readonly ServedResource[] = [
  pods,
  nodes,
  namespaces,
  services,
  define({
    group: "",
    kind: "Endpoints",
    plural: "endpoints",
    short: ["ep"],
    columns: [column("Endpoints", endpointsText)],
  }),
  define({
    group: "",
    kind: "ConfigMap",
    plural: "configmaps",
    short: ["cm"],
    columns: [column("Data", dataCount, { type: "integer" })],
    strategy: strategyOf("ConfigMap"),
  }),
  define({
    group: "",
    kind: "Secret",
    plural: "secrets",
    columns: [column("Type", text("type")), column("Data", dataCount, { type: "integer" })],
    strategy: { ...strategyOf("Secret"), fields: { type: field("type") } },
  }),
  define({
    group: "",
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    short: ["sa"],
    subresources: [
      {
        name: "token",
        kind: "TokenRequest",
        group: "authentication.k8s.io",
        version: "v1",
        verbs: ["create"],
      },
    ],
    columns: [column("Secrets", (object) => arrayAt(object, "secrets").length, { type: "integer" })],
  }),
  EVENTS,
  // Quotas and ranges are not enforced, so none can be made: that would be a promise nobody keeps.
  define({ group: "", kind: "ResourceQuota", plural: "resourcequotas", short: ["quota"], verbs: READ_VERBS }),
  define({ group: "", kind: "LimitRange", plural: "limitranges", short: ["limits"], verbs: READ_VERBS }),
  // The same holds for what no controller here acts upon; kubectl prunes nothing where it does not know these kinds.
  define({
    group: "",
    kind: "PersistentVolumeClaim",
    plural: "persistentvolumeclaims",
    short: ["pvc"],
    verbs: READ_VERBS,
  }),
  define({
    group: "",
    kind: "PersistentVolume",
    plural: "persistentvolumes",
    short: ["pv"],
    cluster: true,
    verbs: READ_VERBS,
  }),
  define({
    group: "",
    kind: "ReplicationController",
    plural: "replicationcontrollers",
    short: ["rc"],
    verbs: READ_VERBS,
  }),
];
