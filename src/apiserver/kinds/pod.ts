/** @module Pods, and the templates that workloads make them of: defaults and validation (k8s.io/api/core/v1, pkg/apis/core). */
import { arrayAt, at, isObject, stringAt } from "../json.ts";
import {
  duplicate,
  forbidden,
  invalid,
  nameFault,
  notSupported,
  required,
  validateLabels,
} from "../metadata.ts";
import { jsonEqual } from "../patch/json-value.ts";
import type { Draft, Strategy } from "../served.ts";
import type { StatusCause } from "../status-error.ts";

type Fields = Record<string, unknown>;

const DEFAULT_GRACE = 30;
const PROTOCOLS = ["SCTP", "TCP", "UDP"];
const RESTART_POLICIES = ["Always", "OnFailure", "Never"];
const DNS_POLICIES = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
const PULL_POLICIES = ["Always", "IfNotPresent", "Never"];
const ENV_NAME = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/;

export function defaultPodSpec(spec: unknown): void {
  if (!isObject(spec)) return;
  spec["restartPolicy"] ??= "Always";
  spec["terminationGracePeriodSeconds"] ??= DEFAULT_GRACE;
  spec["dnsPolicy"] ??= "ClusterFirst";
  // kubectl debug takes it for granted.
  spec["securityContext"] ??= {};
  spec["schedulerName"] ??= "default-scheduler";
  for (const container of containersOf(spec)) defaultContainer(container, spec);
  for (const volume of arrayAt(spec, "volumes")) defaultVolume(volume);
}

function containersOf(spec: Fields): readonly Fields[] {
  return ["initContainers", "containers", "ephemeralContainers"].flatMap((list) =>
    arrayAt(spec, list).filter(isObject),
  );
}

function defaultContainer(container: Fields, spec: Fields): void {
  const image = String(container["image"] ?? "");
  const isLatest = /:latest$/.test(image) || !/:[^/]*$|@/.test(image);
  container["imagePullPolicy"] ??= isLatest ? "Always" : "IfNotPresent";
  container["terminationMessagePath"] ??= "/dev/termination-log";
  container["terminationMessagePolicy"] ??= "File";
  container["resources"] ??= {};
  const { limits, requests } = container["resources"] as Fields;
  if (isObject(limits))
    (container["resources"] as Fields)["requests"] = { ...limits, ...(isObject(requests) && requests) };
  for (const port of arrayAt(container, "ports")) {
    if (!isObject(port)) continue;
    port["protocol"] ??= "TCP";
    if (spec["hostNetwork"] === true) port["hostPort"] ??= port["containerPort"];
  }
  for (const kind of ["livenessProbe", "readinessProbe", "startupProbe"]) {
    const probe = container[kind];
    if (!isObject(probe)) continue;
    probe["timeoutSeconds"] ||= 1;
    probe["periodSeconds"] ||= 10;
    probe["successThreshold"] ||= 1;
    probe["failureThreshold"] ||= 3;
    const get = probe["httpGet"];
    if (isObject(get)) {
      get["scheme"] ||= "HTTP";
      get["path"] ||= "/";
    }
  }
  for (const variable of arrayAt(container, "env")) {
    const reference = at(variable, "valueFrom", "fieldRef");
    if (isObject(reference)) reference["apiVersion"] ??= "v1";
  }
}

const FILE_MODE = 0o644;

function defaultVolume(volume: unknown): void {
  if (!isObject(volume)) return;
  const sources = Object.keys(volume).filter((field) => field !== "name");
  if (sources.length === 0) volume["emptyDir"] = {};
  for (const kind of ["configMap", "secret", "downwardAPI", "projected"]) {
    const source = volume[kind];
    if (isObject(source)) source["defaultMode"] ??= FILE_MODE;
  }
}

export function validatePodSpec(spec: unknown, path: string): StatusCause[] {
  if (!isObject(spec)) return [required(`${path}.containers`)];
  const causes: StatusCause[] = [];
  const containers = arrayAt(spec, "containers");
  if (containers.length === 0) causes.push(required(`${path}.containers`));
  const volumes = new Set(arrayAt(spec, "volumes").map((volume) => stringAt(volume, "name")));
  const names = new Set<string>();
  for (const list of ["initContainers", "containers"]) {
    for (const [place, container] of arrayAt(spec, list).entries())
      causes.push(...validateContainer(container, `${path}.${list}[${place}]`, { names, volumes }));
  }
  const seen = new Set<string>();
  for (const [place, volume] of arrayAt(spec, "volumes").entries()) {
    const name = stringAt(volume, "name") ?? "";
    const field = `${path}.volumes[${place}].name`;
    const fault = name === "" ? undefined : nameFault(name, "label");
    if (name === "") causes.push(required(field));
    else if (fault !== undefined) causes.push(invalid(field, name, fault));
    if (seen.has(name)) causes.push(duplicate(field, name));
    seen.add(name);
  }
  for (const [field, allowed] of [
    ["restartPolicy", RESTART_POLICIES],
    ["dnsPolicy", DNS_POLICIES],
  ] as const) {
    const value = stringAt(spec, field);
    if (value !== undefined && !allowed.includes(value))
      causes.push(notSupported(`${path}.${field}`, value, allowed));
  }
  for (const field of ["terminationGracePeriodSeconds", "activeDeadlineSeconds"]) {
    const value = spec[field];
    if (typeof value === "number" && value < 0)
      causes.push(invalid(`${path}.${field}`, value, "must be greater than or equal to 0"));
  }
  const hostname = stringAt(spec, "hostname");
  const fault = hostname ? nameFault(hostname, "label") : undefined;
  if (fault !== undefined) causes.push(invalid(`${path}.hostname`, hostname, fault));
  causes.push(...validateLabels(spec["nodeSelector"], `${path}.nodeSelector`));
  return causes;
}

interface InPod {
  readonly names: Set<string>;
  readonly volumes: ReadonlySet<string | undefined>;
}

function validateContainer(container: unknown, path: string, { names, volumes }: InPod): StatusCause[] {
  const causes: StatusCause[] = [];
  const name = stringAt(container, "name") ?? "";
  if (name === "") causes.push(required(`${path}.name`));
  else {
    const fault = nameFault(name, "label");
    if (fault !== undefined) causes.push(invalid(`${path}.name`, name, fault));
    if (names.has(name)) causes.push(duplicate(`${path}.name`, name));
    names.add(name);
  }
  const image = stringAt(container, "image") ?? "";
  if (image === "") causes.push(required(`${path}.image`));
  else if (image !== image.trim())
    causes.push(invalid(`${path}.image`, image, "must not have leading or trailing whitespace"));
  const policy = stringAt(container, "imagePullPolicy");
  if (policy !== undefined && !PULL_POLICIES.includes(policy))
    causes.push(notSupported(`${path}.imagePullPolicy`, policy, PULL_POLICIES));
  causes.push(...validatePorts(container, path));
  for (const [place, variable] of arrayAt(container, "env").entries()) {
    const field = `${path}.env[${place}]`;
    const variableName = stringAt(variable, "name") ?? "";
    if (variableName === "") causes.push(required(`${field}.name`));
    else if (!ENV_NAME.test(variableName))
      causes.push(
        invalid(
          `${field}.name`,
          variableName,
          "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')",
        ),
      );
    if (at(variable, "value") && at(variable, "valueFrom") !== undefined)
      causes.push(invalid(`${field}.valueFrom`, "", "may not be specified when `value` is not empty"));
  }
  for (const [place, mount] of arrayAt(container, "volumeMounts").entries()) {
    const field = `${path}.volumeMounts[${place}]`;
    const volume = stringAt(mount, "name") ?? "";
    if (volume === "") causes.push(required(`${field}.name`));
    else if (!volumes.has(volume))
      causes.push({
        reason: "FieldValueNotFound",
        message: `Not found: ${JSON.stringify(volume)}`,
        field: `${field}.name`,
      });
    if (!stringAt(mount, "mountPath")) causes.push(required(`${field}.mountPath`));
  }
  for (const kind of ["livenessProbe", "readinessProbe", "startupProbe"]) {
    const probe = at(container, kind);
    if (probe === undefined) continue;
    const handlers = ["exec", "httpGet", "tcpSocket", "grpc"].filter((one) => at(probe, one) !== undefined);
    if (handlers.length === 0) causes.push(required(`${path}.${kind}`, "must specify a handler type"));
    if (handlers.length > 1)
      causes.push(forbidden(`${path}.${kind}.${handlers[1]}`, "may not specify more than 1 handler type"));
  }
  return causes;
}

function validatePorts(container: unknown, path: string): StatusCause[] {
  const causes: StatusCause[] = [];
  const names = new Set<string>();
  for (const [place, port] of arrayAt(container, "ports").entries()) {
    const field = `${path}.ports[${place}]`;
    const number = at(port, "containerPort");
    if (number === undefined || number === 0) causes.push(required(`${field}.containerPort`));
    else causes.push(...portFault(number, `${field}.containerPort`));
    const protocol = stringAt(port, "protocol");
    if (protocol !== undefined && !PROTOCOLS.includes(protocol))
      causes.push(notSupported(`${field}.protocol`, protocol, PROTOCOLS));
    const name = stringAt(port, "name");
    if (name === undefined || name === "") continue;
    const fault = portNameFault(name);
    if (fault !== undefined) causes.push(invalid(`${field}.name`, name, fault));
    if (names.has(name)) causes.push(duplicate(`${field}.name`, name));
    names.add(name);
  }
  return causes;
}

export function portFault(value: unknown, field: string): StatusCause[] {
  const isPort = typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65_535;
  return isPort ? [] : [invalid(field, value, "must be between 1 and 65535, inclusive")];
}

/** IANA_SVC_NAME: 15 letters, digits and hyphens, with a letter among them. */
export function portNameFault(name: string): string | undefined {
  if (name.length > 15) return "must be no more than 15 characters";
  if (!/^[-a-z0-9]+$/.test(name))
    return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
  if (!/[a-z]/.test(name)) return "must contain at least one letter (a-z)";
  if (name.includes("--")) return "must not contain consecutive hyphens";
  return /^-|-$/.test(name) ? "must not begin or end with a hyphen" : undefined;
}

/** What may be changed in a pod that exists: images, a deadline, more tolerations, a shorter grace. */
function mutableFreed(object: Draft): unknown {
  const copy = structuredClone(object["spec"]);
  if (!isObject(copy)) return copy;
  for (const container of containersOf(copy)) delete container["image"];
  delete copy["activeDeadlineSeconds"];
  delete copy["tolerations"];
  delete copy["terminationGracePeriodSeconds"];
  delete copy["schedulingGates"];
  return copy;
}

export const POD: Strategy = {
  setDefaults: (object) => {
    defaultPodSpec(object["spec"]);
    const spec = object["spec"];
    if (isObject(spec)) spec["enableServiceLinks"] ??= true;
  },
  prepareCreate: (object) => {
    object["status"] = { phase: "Pending" };
  },
  validate: (object) => validatePodSpec(object["spec"], "spec"),
  validateUpdate: (object, before) => {
    if (jsonEqual(mutableFreed(object), mutableFreed(before))) return [];
    return [
      forbidden(
        "spec",
        "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
      ),
    ];
  },
  gracePeriodSeconds: (object) => {
    const phase = stringAt(object, "status", "phase");
    // Nobody runs it: there is nothing to wait for.
    if (!stringAt(object, "spec", "nodeName") || phase === "Succeeded" || phase === "Failed") return 0;
    const own = at(object, "spec", "terminationGracePeriodSeconds");
    return typeof own === "number" ? own : DEFAULT_GRACE;
  },
};
