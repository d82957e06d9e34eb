/**
 * @module Policies of every API, and Calico's other kinds: refused where our own decoder has an error. What the API
 * lets in is what the model can read: nothing that is stored has to fail closed.
 */
import { decodeValue } from "../../resources/load.ts";
import { NO_SOURCE } from "../../resources/source.ts";
import { arrayAt, at, isObject } from "../json.ts";
import type { Draft, Strategy } from "../served.ts";
import type { StatusCause } from "../status-error.ts";

function faults(object: Draft): StatusCause[] {
  const { issues } = decodeValue(object, NO_SOURCE);
  return issues
    .filter(({ severity }) => severity === "error")
    .map(({ code, message, path }) => ({
      reason: code === "required" ? "FieldValueRequired" : "FieldValueInvalid",
      message: /^(Invalid value|Required value|Unsupported value|Forbidden|Duplicate value)/.test(message)
        ? message
        : `Invalid value: ${message}`,
      field: path ?? "",
    }));
}

export const POLICY: Strategy = { validate: faults };

export const NETWORK_POLICY: Strategy = {
  setDefaults: (object) => {
    const spec = object["spec"];
    if (!isObject(spec)) return;
    spec["podSelector"] ??= {};
    for (const direction of ["ingress", "egress"]) {
      for (const rule of arrayAt(spec, direction))
        for (const port of arrayAt(rule, "ports")) if (isObject(port)) port["protocol"] ??= "TCP";
    }
    // networking/v1 defaults: Ingress always, Egress when there are egress rules.
    if (arrayAt(spec, "policyTypes").length === 0)
      spec["policyTypes"] = arrayAt(spec, "egress").length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
  },
  validate: (object) => (at(object, "spec") === undefined ? [] : faults(object)),
};
