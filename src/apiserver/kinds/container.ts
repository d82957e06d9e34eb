/** @module Containers of a pod: validation (pkg/apis/core/validation). */

import { parseIp } from "../../base/ip.ts";
import { quantityOf } from "../../resources/quantity.ts";
import { arrayAt, at, isObject, stringAt } from "../json.ts";
import { duplicate, forbidden, invalid, nameFault, notSupported, required } from "../metadata.ts";
import type { StatusCause } from "../status-error.ts";

const PROTOCOLS = ["SCTP", "TCP", "UDP"];
const PULL_POLICIES = ["Always", "IfNotPresent", "Never"];
const ENV_NAME = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/;

export interface InPod {
  readonly names: Set<string>;
  readonly volumes: ReadonlySet<string | undefined>;
  readonly role: "init" | "main" | "ephemeral";
}

export function validateContainer(
  container: unknown,
  path: string,
  { names, volumes, role }: InPod,
): StatusCause[] {
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
  const messages = stringAt(container, "terminationMessagePolicy");
  if (messages !== undefined && !MESSAGE_POLICIES.includes(messages))
    causes.push(notSupported(`${path}.terminationMessagePolicy`, messages, MESSAGE_POLICIES));
  causes.push(...validateRestart(container, path, role === "init"));
  causes.push(...validateHandlers(container, path));
  causes.push(...validateResources(at(container, "resources"), `${path}.resources`));
  return causes;
}

const MESSAGE_POLICIES = ["FallbackToLogsOnError", "File"];

/** Only an init container may say when it is started again: always, which makes it a sidecar. */
function validateRestart(container: unknown, path: string, isInit: boolean): StatusCause[] {
  const policy = stringAt(container, "restartPolicy");
  if (!isInit)
    return policy === undefined
      ? []
      : [forbidden(`${path}.restartPolicy`, "may not be set for non-init containers")];
  if (policy === "Always") return [];
  const causes = ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"]
    .filter((field) => at(container, field) !== undefined)
    .map((field) =>
      forbidden(`${path}.${field}`, "may not be set for init containers without restartPolicy=Always"),
    );
  return policy === undefined
    ? causes
    : [...causes, notSupported(`${path}.restartPolicy`, policy, ["Always"])];
}

const PROBES = ["livenessProbe", "readinessProbe", "startupProbe"];
const PROBE_HANDLERS = ["exec", "httpGet", "tcpSocket", "grpc"];
const HOOK_HANDLERS = ["exec", "httpGet", "tcpSocket", "sleep"];

function validateHandlers(container: unknown, path: string): StatusCause[] {
  return [
    ...PROBES.flatMap((kind) => validateHandler(at(container, kind), `${path}.${kind}`, PROBE_HANDLERS)),
    ...["postStart", "preStop"].flatMap((hook) =>
      validateHandler(at(container, "lifecycle", hook), `${path}.lifecycle.${hook}`, HOOK_HANDLERS),
    ),
  ];
}

function validateHandler(handler: unknown, path: string, kinds: readonly string[]): StatusCause[] {
  if (!isObject(handler)) return [];
  const [first, second] = kinds.filter((kind) => isObject(handler[kind]));
  if (first === undefined) return [required(path, "must specify a handler type")];
  const causes: StatusCause[] = [];
  if (second !== undefined)
    causes.push(forbidden(`${path}.${second}`, "may not specify more than 1 handler type"));
  if (first === "exec" && arrayAt(handler, "exec", "command").length === 0)
    causes.push(required(`${path}.exec.command`));
  const port = at(handler, first, "port");
  if (first === "httpGet" || first === "tcpSocket" || first === "grpc") {
    if (typeof port !== "string") causes.push(...portFault(port ?? 0, `${path}.${first}.port`));
    else {
      const fault = portNameFault(port);
      if (fault !== undefined) causes.push(invalid(`${path}.${first}.port`, port, fault));
    }
  }
  return causes;
}

function validateResources(resources: unknown, path: string): StatusCause[] {
  const causes: StatusCause[] = [];
  for (const list of ["limits", "requests"]) {
    for (const [name, quantity] of Object.entries((at(resources, list) ?? {}) as Record<string, unknown>)) {
      const amount = quantityOf(quantity);
      if (amount !== undefined && amount < 0)
        causes.push(
          invalid(`${path}.${list}[${name}]`, String(quantity), "must be greater than or equal to 0"),
        );
      const limit = at(resources, "limits", name);
      const bound = list === "requests" ? quantityOf(limit) : undefined;
      if (amount !== undefined && bound !== undefined && amount > bound)
        causes.push(
          invalid(
            `${path}.requests`,
            String(quantity),
            `must be less than or equal to ${name} limit of ${String(limit)}`,
          ),
        );
    }
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
    const hostPort = at(port, "hostPort");
    if (hostPort !== undefined && hostPort !== 0) causes.push(...portFault(hostPort, `${field}.hostPort`));
    const hostIp = stringAt(port, "hostIP");
    if (hostIp && !parseIp(hostIp))
      causes.push(
        invalid(`${field}.hostIP`, hostIp, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
      );
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
