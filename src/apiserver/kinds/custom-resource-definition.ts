/** @module CustomResourceDefinitions: what one must say, and what the server decides of it (apiextensions' validation). */
import { timeText } from "../../client/objects.ts";
import { arrayAt, at, isObject, stringAt } from "../json.ts";
import { invalid, nameFault, notSupported, required } from "../metadata.ts";
import { schemaFaults, uncheckedRules } from "../schema/structural-schema.ts";
import type { Draft, Strategy } from "../served.ts";
import type { StatusCause } from "../status-error.ts";
import { withinTime } from "../time-limit.ts";

export const CLEANUP = "customresourcecleanup.apiextensions.k8s.io";
const APPROVED = "api-approved.kubernetes.io";
const APPROVAL_HELP = "see https://github.com/kubernetes/enhancements/pull/1111";
const PROTECTED = /(^|\.)(k8s|kubernetes)\.io$/;
/** Schemas may be large; only a default that makes a pattern go astray takes as long. */
const CHECK_MS = 1000;

export const CUSTOM_RESOURCE_DEFINITION: Strategy = {
  setDefaults: (object) => {
    const spec = object["spec"];
    if (isObject(spec)) spec["conversion"] ??= { strategy: "None" };
    const names = at(spec, "names");
    if (!isObject(names)) return;
    names["singular"] ||= String(names["kind"] ?? "").toLowerCase();
    names["listKind"] ||= `${String(names["kind"] ?? "")}List`;
  },
  prepareCreate: (object) => {
    object.metadata.finalizers = [...new Set([...(object.metadata.finalizers ?? []), CLEANUP])];
    object["status"] = {
      conditions: [
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
      ],
      acceptedNames: at(object, "spec", "names"),
      storedVersions: [storedVersion(object)],
    };
  },
  prepareUpdate: (object) => {
    const status = isObject(object["status"]) ? object["status"] : {};
    const stored = new Set([...arrayAt(status, "storedVersions").map(String), storedVersion(object)]);
    object["status"] = {
      ...status,
      acceptedNames: at(object, "spec", "names"),
      storedVersions: [...stored],
    };
  },
  prepareDelete: (object) => {
    // Definitions from before there was one: what they define is not to outlive them either.
    object.metadata.finalizers = [...new Set([...(object.metadata.finalizers ?? []), CLEANUP])];
    const status = isObject(object["status"]) ? object["status"] : {};
    const others = arrayAt(status, "conditions").filter((one) => stringAt(one, "type") !== "Terminating");
    const ending = condition(
      "Terminating",
      "InstanceDeletionPending",
      "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
    );
    object["status"] = { ...status, conditions: [...others, ending] };
  },
  validate: (object) => [...validateNames(object), ...validateVersions(object)],
  validateUpdate: (object, before) =>
    ["spec.scope", "spec.names.kind"].flatMap((field) => {
      const value = at(object, ...field.split("."));
      return value === at(before, ...field.split(".")) ? [] : [invalid(field, value, "field is immutable")];
    }),
  warnings: (object) =>
    arrayAt(object, "spec", "versions").flatMap((version, place) =>
      uncheckedRules(at(version, "schema", "openAPIV3Schema")).map(
        (path) =>
          `spec.versions[${place}].schema.openAPIV3Schema${path}.x-kubernetes-validations: CEL rules are not evaluated by this API server`,
      ),
    ),
};

function condition(type: string, reason: string, message: string): object {
  return { type, status: "True", reason, message, lastTransitionTime: timeText(new Date()) };
}

function storedVersion(object: Readonly<Draft>): string {
  const stored = arrayAt(object, "spec", "versions").find((version) => at(version, "storage") === true);
  return stringAt(stored, "name") ?? "";
}

function validateNames(object: Draft): StatusCause[] {
  const causes: StatusCause[] = [];
  const group = stringAt(object, "spec", "group") ?? "";
  const plural = stringAt(object, "spec", "names", "plural") ?? "";
  const fault = nameFault(group, "subdomain");
  if (group === "") causes.push(required("spec.group"));
  else if (fault !== undefined) causes.push(invalid("spec.group", group, fault));
  else if (!group.includes("."))
    causes.push(invalid("spec.group", group, "should be a domain with at least one dot"));
  if (PROTECTED.test(group)) causes.push(...validateApproval(object));
  const wrong = nameFault(plural, "label-rfc1035");
  if (plural === "") causes.push(required("spec.names.plural"));
  else if (wrong !== undefined) causes.push(invalid("spec.names.plural", plural, wrong));
  const kind = stringAt(object, "spec", "names", "kind") ?? "";
  const odd = nameFault(kind.toLowerCase(), "label-rfc1035");
  if (kind === "") causes.push(required("spec.names.kind"));
  else if (odd !== undefined)
    causes.push(invalid("spec.names.kind", kind, `may have mixed case, but should otherwise match: ${odd}`));
  const scope = stringAt(object, "spec", "scope");
  if (scope === undefined || scope === "") causes.push(required("spec.scope"));
  else if (scope !== "Namespaced" && scope !== "Cluster")
    causes.push(notSupported("spec.scope", scope, ["Cluster", "Namespaced"]));
  if (object.metadata.name !== `${plural}.${group}`)
    causes.push(invalid("metadata.name", object.metadata.name, `must be spec.names.plural+"."+spec.group`));
  // Taken as None, a webhook's objects would be told wrongly.
  const strategy = stringAt(object, "spec", "conversion", "strategy");
  if (strategy !== "None") causes.push(notSupported("spec.conversion.strategy", strategy, ["None"]));
  return causes;
}

function validateApproval({ metadata }: Draft): StatusCause[] {
  const field = `metadata.annotations[${APPROVED}]`;
  const value = metadata.annotations?.[APPROVED];
  if (!value)
    return [
      required(
        field,
        `protected groups must have approval annotation ${JSON.stringify(APPROVED)}, ${APPROVAL_HELP}`,
      ),
    ];
  if (value.startsWith("unapproved") || /^https?:\/\/[^/]+/.test(value)) return [];
  return [
    invalid(
      field,
      value,
      `protected groups must have approval annotation ${JSON.stringify(APPROVED)} with either a URL or a reason starting with "unapproved", ${APPROVAL_HELP}`,
    ),
  ];
}

function validateVersions(object: Draft): StatusCause[] {
  const causes: StatusCause[] = [];
  const versions = arrayAt(object, "spec", "versions");
  const names = versions.map((version) => stringAt(version, "name") ?? "");
  if (versions.filter((version) => at(version, "storage") === true).length !== 1)
    causes.push(invalid("spec.versions", names, "must have exactly one version marked as storage version"));
  for (const [place, version] of versions.entries()) {
    const field = `spec.versions[${place}]`;
    const fault = nameFault(names[place] ?? "", "label-rfc1035");
    if (fault !== undefined) causes.push(invalid(`${field}.name`, names[place], fault));
    if (names.indexOf(names[place] ?? "") !== place)
      causes.push(invalid("spec.versions", names, "must contain unique version names"));
    const schema = at(version, "schema", "openAPIV3Schema");
    const schemaField = `${field}.schema.openAPIV3Schema`;
    if (isObject(schema)) causes.push(...schemaFaultsInTime(schema, schemaField));
    else causes.push(required(schemaField, "schemas are required"));
  }
  return causes;
}

function schemaFaultsInTime(schema: Parameters<typeof schemaFaults>[0], field: string): StatusCause[] {
  const faults = withinTime(CHECK_MS, () => schemaFaults(schema, field));
  if (faults) return faults;
  const words = `checking its defaults takes longer than ${CHECK_MS} ms: a pattern is too slow for one of them`;
  return [{ reason: "FieldValueInvalid", message: `Invalid value: ${words}`, field }];
}
