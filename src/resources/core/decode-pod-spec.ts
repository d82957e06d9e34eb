/**
 * @module A pod's spec, in a Pod or in a template.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ field lists as of 1.33
 */
import { BAD, type Cursor, type Fields, fieldNames, orAbsent, orElse } from "../decode/cursor.ts";
import { decodeLabels } from "../decode/metadata.ts";
import { checkPortName, checkPortNumber } from "../decode/names.ts";
import { makeLabels } from "../labels.ts";
import type { ContainerPort, PodSpec, Protocol } from "./types.ts";

const POD_SPEC: ReadonlySet<string> = fieldNames(`
  activeDeadlineSeconds affinity automountServiceAccountToken containers dnsConfig dnsPolicy enableServiceLinks
  ephemeralContainers hostAliases hostIPC hostNetwork hostPID hostUsers hostname hostnameOverride imagePullSecrets
  initContainers nodeName nodeSelector os overhead preemptionPolicy priority priorityClassName readinessGates
  resourceClaims resources restartPolicy runtimeClassName schedulerName schedulingGates securityContext serviceAccount
  serviceAccountName setHostnameAsFQDN shareProcessNamespace subdomain terminationGracePeriodSeconds tolerations
  topologySpreadConstraints volumes`);

const CONTAINER: ReadonlySet<string> = fieldNames(`
  args command env envFrom image imagePullPolicy lifecycle livenessProbe name ports readinessProbe resizePolicy
  resources restartPolicy restartPolicyRules securityContext startupProbe stdin stdinOnce targetContainerName
  terminationMessagePath terminationMessagePolicy tty volumeDevices volumeMounts workingDir`);

const CONTAINER_PORT: ReadonlySet<string> = fieldNames("containerPort hostIP hostPort name protocol");

/** In the API server's order, which is alphabetical here and not in NetworkPolicy. */
const PROTOCOLS = ["SCTP", "TCP", "UDP"] as const;

const EMPTY: PodSpec = {
  hostNetwork: false,
  serviceAccountName: "default",
  ports: [],
  nodeSelector: makeLabels([]),
};

/** @returns the spec with defaults for everything that could not be read, which has been reported */
export function decodePodSpec(cursor: Cursor): PodSpec {
  const spec = cursor.fields(POD_SPEC);
  if (spec === BAD) return EMPTY;
  // A pod without containers is refused by the API server, but nothing that policy says depends on them.
  if (spec === undefined || spec.at("containers").isAbsent) {
    const path = spec ? spec.at("containers").path : cursor.path;
    cursor.report.warn({
      code: "no-containers",
      path,
      message: "Required value: a pod needs at least one container",
    });
  }
  if (spec === undefined) return EMPTY;
  const nodeName = orAbsent(spec.at("nodeName").string());
  const account =
    orElse(spec.at("serviceAccountName").string(), "") || orElse(spec.at("serviceAccount").string(), "");
  return {
    ...(nodeName === undefined || nodeName === "" ? {} : { nodeName }),
    hostNetwork: orElse(spec.at("hostNetwork").boolean(), false),
    serviceAccountName: account === "" ? "default" : account,
    ports: decodeAllPorts(spec),
    nodeSelector: orElse(decodeLabels(spec.at("nodeSelector")), EMPTY.nodeSelector),
  };
}

/** In the order written: of two lists, the one that stands first comes first. */
function decodeAllPorts(spec: Fields): ContainerPort[] {
  const ports: ContainerPort[] = [];
  for (const [key, cursor] of spec.entries()) {
    if (key !== "containers" && key !== "initContainers") continue;
    for (const item of orElse(cursor.list(), [])) {
      const container = orAbsent(item.fields(CONTAINER));
      if (container) ports.push(...decodeContainerPorts(container.at("ports")));
    }
  }
  return ports;
}

function decodeContainerPorts(cursor: Cursor): ContainerPort[] {
  const ports: ContainerPort[] = [];
  const names = new Set<string>();
  for (const item of orElse(cursor.list(), [])) {
    const port = decodeContainerPort(item);
    if (!port) continue;
    if (port.name !== undefined && names.has(port.name)) {
      item.report.error({
        code: "duplicate-port-name",
        path: `${item.path}.name`,
        message: `Duplicate value: ${JSON.stringify(port.name)}`,
      });
      continue;
    }
    if (port.name !== undefined) names.add(port.name);
    ports.push(port);
  }
  return ports;
}

function decodeContainerPort(cursor: Cursor): ContainerPort | undefined {
  const fields = orAbsent(cursor.fields(CONTAINER_PORT));
  if (!fields) return undefined;
  const numberAt = fields.at("containerPort");
  const port = numberAt.isAbsent ? numberAt.required() : numberAt.integer();
  const protocol = decodeProtocol(fields.at("protocol"));
  const nameAt = fields.at("name");
  const name = nameAt.string();
  if (port === BAD || port === undefined || protocol === BAD || name === BAD) return undefined;
  const portProblems = checkPortNumber(port);
  for (const problem of portProblems) numberAt.invalid("invalid-port", problem);
  const nameProblems = name === undefined || name === "" ? [] : checkPortName(name);
  for (const problem of nameProblems) nameAt.invalid("invalid-port-name", problem);
  if (portProblems.length + nameProblems.length > 0) return undefined;
  const hostPort = fields.at("hostPort").integer();
  const hostIp = fields.at("hostIP").string();
  return {
    ...(name === undefined || name === "" ? {} : { name }),
    port,
    protocol,
    // What no port can be leads nowhere.
    ...(typeof hostPort === "number" && checkPortNumber(hostPort).length === 0 && { hostPort }),
    ...(typeof hostIp === "string" && hostIp !== "" && { hostIp }),
  };
}

/** Absent is TCP. */
export function decodeProtocol(
  cursor: Cursor,
  supported: readonly Protocol[] = PROTOCOLS,
): Protocol | typeof BAD {
  const protocol = cursor.oneOf(supported);
  return protocol === undefined ? "TCP" : protocol;
}
