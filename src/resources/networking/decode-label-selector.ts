/**
 * @module Label selectors. All or nothing: a selector with one requirement that cannot be read would select more than was
 * written without it, so it is `BAD` as a whole.
 * @see https://github.com/kubernetes/kubernetes staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/validation ValidateLabelSelector
 */

import { closestWord } from "../decode/closest-word.ts";
import { BAD, type Cursor, didYouMean, fieldNames, orElse, type Reading } from "../decode/cursor.ts";
import { decodeLabelsStrictly } from "../decode/metadata.ts";
import { checkLabelKey, checkLabelValue } from "../decode/names.ts";
import { keyPath } from "../yaml/field-path.ts";
import type { LabelRequirement, LabelSelector } from "./types.ts";

const SELECTOR: ReadonlySet<string> = fieldNames("matchExpressions matchLabels");
const REQUIREMENT: ReadonlySet<string> = fieldNames("key operator values");
const OPERATORS = ["In", "NotIn", "Exists", "DoesNotExist"] as const;

export function decodeLabelSelector(cursor: Cursor): Reading<LabelSelector> {
  const fields = cursor.fields(SELECTOR);
  if (fields === undefined || fields === BAD) return fields;
  const labels = decodeMatchLabels(fields.at("matchLabels"));
  const expressions = decodeExpressions(fields.at("matchExpressions"));
  if (labels === BAD || expressions === BAD) return BAD;
  const isNull = fields.isNull("matchLabels") || fields.isNull("matchExpressions");
  if (labels.length + expressions.length === 0 && (isNull || fields.hasUnknown(SELECTOR))) {
    // As with rules: the API server drops the field, and what is left is the selector `{}`.
    const ignored = isNull ? "takes null for absent" : "ignores unknown fields";
    cursor.warn("wide-selector", `the API server ${ignored}, so this selector selects everything`);
  }
  return { requirements: [...labels, ...expressions] };
}

function decodeMatchLabels(cursor: Cursor): readonly LabelRequirement[] | typeof BAD {
  const labels = decodeLabelsStrictly(cursor);
  if (labels === undefined) return [];
  if (labels === BAD || !labels.complete) return BAD;
  return Object.entries(labels.labels).map(([key, value]) => ({
    key,
    operator: "In",
    values: [value],
    path: keyPath(cursor.path, key),
  }));
}

function decodeExpressions(cursor: Cursor): readonly LabelRequirement[] | typeof BAD {
  const items = cursor.list();
  if (items === undefined || items === BAD) return items ?? [];
  const requirements = items.map(decodeRequirement);
  const readable = requirements.filter((requirement) => requirement !== BAD);
  return readable.length === requirements.length ? readable : BAD;
}

function decodeRequirement(cursor: Cursor): LabelRequirement | typeof BAD {
  const fields = cursor.fields(REQUIREMENT);
  if (fields === BAD) return BAD;
  if (fields === undefined) return cursor.required("a requirement needs a key and an operator");
  const key = decodeKey(fields.at("key"));
  const operator = decodeOperator(fields.at("operator"));
  const values = decodeValues(fields.at("values"), operator);
  if (key === BAD || operator === BAD || values === BAD) return BAD;
  return { key, operator, values, path: cursor.path };
}

function decodeKey(cursor: Cursor): string | typeof BAD {
  const key = cursor.string();
  if (key === BAD) return BAD;
  if (key === undefined) return cursor.required();
  const problems = checkLabelKey(key);
  for (const problem of problems) cursor.invalid("invalid-label-key", problem);
  return problems.length === 0 ? key : BAD;
}

function decodeOperator(cursor: Cursor): LabelRequirement["operator"] | typeof BAD {
  const written = orElse(cursor.string(), "");
  const operator = OPERATORS.find((one) => one === written);
  if (operator !== undefined) return operator;
  if (!cursor.isAbsent && typeof cursor.value !== "string") return BAD;
  const hint = didYouMean(closestWord(written, OPERATORS)) ?? `one of ${OPERATORS.join(", ")}`;
  cursor.error(
    "invalid-operator",
    `Invalid value: ${JSON.stringify(written)}: not a valid selector operator`,
    hint,
  );
  return BAD;
}

function decodeValues(
  cursor: Cursor,
  operator: LabelRequirement["operator"] | typeof BAD,
): readonly string[] | typeof BAD {
  const items = cursor.list();
  if (items === BAD) return BAD;
  const count = items?.length ?? 0;
  if ((operator === "In" || operator === "NotIn") && count === 0) {
    cursor.error("operator-values", "Required value: must be specified when `operator` is 'In' or 'NotIn'");
    return BAD;
  }
  if ((operator === "Exists" || operator === "DoesNotExist") && count > 0) {
    cursor.error(
      "operator-values",
      "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
    );
    return BAD;
  }
  const values = (items ?? []).map(decodeValue);
  const readable = values.filter((value) => value !== BAD);
  return readable.length === values.length ? readable : BAD;
}

function decodeValue(cursor: Cursor): string | typeof BAD {
  // As in matchLabels: null in a list of strings decodes to the empty string.
  const value = cursor.isAbsent ? "" : cursor.string();
  if (value === BAD || value === undefined) return BAD;
  const problems = checkLabelValue(value);
  for (const problem of problems) cursor.invalid("invalid-label-value", problem);
  return problems.length === 0 ? value : BAD;
}
