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
import { validateContainer } from "./container.ts";
import {
  EPHEMERAL_CONTAINERS,
  refuseEphemeralContainers,
  validateEphemeralContainers,
} from "./ephemeral-containers.ts";

type Fields = Record<string, unknown>;

const DEFAULT_GRACE = 30;
const RESTART_POLICIES = ["Always", "OnFailure", "Never"];
const DNS_POLICIES = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];

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
      causes.push(
        ...validateContainer(container, `${path}.${list}[${place}]`, {
          names,
          volumes,
          role: list === "initContainers" ? "init" : "main",
        }),
      );
  }
  causes.push(...validateEphemeralContainers(spec, path, { names, volumes }));
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

/** What may be changed in a pod that exists: images, a deadline, more tolerations, a shorter grace. */
function mutableFreed(object: Draft): unknown {
  const copy = structuredClone(object["spec"]);
  if (!isObject(copy)) return copy;
  for (const list of ["initContainers", "containers"])
    for (const container of arrayAt(copy, list)) if (isObject(container)) delete container["image"];
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
  validateCreate: refuseEphemeralContainers,
  parts: { ephemeralcontainers: EPHEMERAL_CONTAINERS },
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
