/**
 * @module `tortie ctl convert`: objects of older and other APIs, rewritten in today's with the same meaning. What cannot be
 * said there is an error; nothing is left out in silence.
 */
import { OpError } from "../../base/errors.ts";
import { formatIssue, formatPosition } from "../../base/issue.ts";
import { groupOf } from "../../resources/decode/kinds.ts";
import { decodeValue } from "../../resources/load.ts";
import type { KubernetesObject } from "../../resources/object.ts";
import type { Io } from "../io.ts";
import { counted, structured } from "../output.ts";
import { paintFor } from "../paint.ts";
import { type Conversion, fail } from "./conversion.ts";
import { convertAdminPolicy, convertBaselinePolicy } from "./convert-admin.ts";
import { convertKubernetesPolicy, convertStagedKubernetesPolicy } from "./convert-kubernetes.ts";
import { convertStored } from "./convert-stored.ts";
import { type JsonObject, textAt, withValueAt } from "./json.ts";
import { errorsOf, type ManifestObject, refText } from "./manifest.ts";
import { documentYaml } from "./render-yaml.ts";
import { type ResourceOptions, readManifests } from "./resources.ts";
import { CLUSTER_METADATA } from "./store.ts";

export interface ConvertOptions extends ResourceOptions {
  readonly output: "json" | "yaml";
}

/** @returns 2 when something could not be converted: then nothing is printed. @throws OpError */
export async function runConvert(io: Io, options: ConvertOptions): Promise<number> {
  if (options.filename.length === 0)
    throw new OpError("no resources: name files or folders with -f (or - for standard input)", {
      code: "input-invalid",
    });
  const manifests = await readManifests(io, options);
  const paint = paintFor(io);
  const broken = manifests.flatMap(({ issues }) => errorsOf(issues));
  for (const issue of broken) io.err(paint.bad(formatIssue(issue)));
  const { converted, problems, passedOver } = convertAll(
    io,
    manifests.flatMap(({ objects }) => objects),
  );
  for (const problem of problems) io.err(paint.bad(problem));
  const others = passedOver + manifests.reduce((sum, { others: { length } }) => sum + length, 0);
  const failures = problems.length + broken.length;
  if (failures > 0) {
    io.err(`${counted(failures, "problem")}: nothing was converted`);
    return 2;
  }
  if (others > 0) io.err(`${counted(others, "resource")} of kinds with nothing to convert left out`);
  if (converted.length === 0 && !options.skipEmpty)
    throw new OpError(`nothing to convert in ${options.filename.join(", ")}`, { code: "input-invalid" });
  if (converted.length > 0) io.out(print(converted, options.output));
  return 0;
}

function convertAll(
  io: Io,
  objects: readonly ManifestObject[],
): { converted: JsonObject[]; problems: string[]; passedOver: number } {
  const converted = new Map<string, JsonObject>();
  const problems: string[] = [];
  let passedOver = 0;
  // The baseline policy last: where its name is taken, it is the one that gets another.
  const isBaseline = ({ ref }: ManifestObject): boolean => ref.kind.name === "BaselineAdminNetworkPolicy";
  for (const object of [...objects.filter((one) => !isBaseline(one)), ...objects.filter(isBaseline)]) {
    const where = object.source.locate("");
    const name = `${where ? `${formatPosition(where)}: ` : ""}${refText(object.ref)}`;
    const result = convertObject(object);
    if (result === undefined) {
      passedOver++;
      continue;
    }
    if (result.kind === "failed") {
      problems.push(
        ...result.problems.map((problem) =>
          problem.includes(": error: ") ? problem : `${name}: ${problem}`,
        ),
      );
      continue;
    }
    for (const note of result.notes) io.err(paintFor(io).warn(`${name}: ${note}`));
    let { value } = result;
    if (converted.has(keyOf(value)) && isBaseline(object)) {
      value = withValueAt(value, ["metadata", "name"], `baseline-${object.ref.name}`);
      io.err(paintFor(io).warn(`${name}: its name is taken: it is ${textAt(value, "metadata", "name")} now`));
    }
    if (converted.has(keyOf(value))) problems.push(`${name}: another resource is converted to the same name`);
    converted.set(keyOf(value), value);
  }
  return { converted: [...converted.values()], problems, passedOver };
}

function keyOf(value: JsonObject): string {
  return [value["kind"], textAt(value, "metadata", "namespace"), textAt(value, "metadata", "name")].join(" ");
}

/** @returns undefined for what has nothing to be converted to */
function convertObject(object: ManifestObject): Conversion | undefined {
  const { ref, value } = object;
  const errors = errorsOf(object.check());
  if (errors.length > 0) return { kind: "failed", problems: errors.map(formatIssue) };
  const [decoded] = decodeValue(value, object.source).objects;
  const conversion = conversionOf(ref.kind.name, value, decoded);
  if (conversion?.kind !== "converted") return conversion;
  const metadata = { ...conversion, value: cleaned(conversion.value) };
  const wrong = errorsOf(decodeValue(metadata.value, object.source).issues);
  const [first] = wrong;
  return first ? fail(`${first.path ?? ""}: ${first.message}: the other API does not allow it`) : metadata;
}

function conversionOf(
  kind: string,
  value: JsonObject,
  decoded: KubernetesObject | undefined,
): Conversion | undefined {
  switch (decoded?.kind) {
    case "NetworkPolicy":
      return convertKubernetesPolicy(decoded, value);
    case "StagedKubernetesNetworkPolicy":
      return convertStagedKubernetesPolicy(decoded, value);
    case "AdminNetworkPolicy":
      return convertAdminPolicy(value);
    case "BaselineAdminNetworkPolicy":
      return convertBaselinePolicy(value);
    case "ClusterNetworkPolicy":
      return { kind: "converted", value, notes: [] };
    default: {
      const group = groupOf(textAt(value, "apiVersion"));
      if (group === "projectcalico.org") return { kind: "converted", value, notes: [] };
      return group === "crd.projectcalico.org" ? convertStored(value, decoded, kind) : undefined;
    }
  }
}

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** What another cluster gave, and what kubectl remembers of the older form, has no place in the new one. */
function cleaned(value: JsonObject): JsonObject {
  let result = value;
  for (const field of CLUSTER_METADATA) result = withValueAt(result, ["metadata", field], undefined);
  result = withValueAt(result, ["metadata", "annotations", LAST_APPLIED], undefined);
  for (const field of ["annotations", "labels"]) {
    const entries = textAt(result, "metadata", field);
    if (entries === "{}") result = withValueAt(result, ["metadata", field], undefined);
  }
  return Object.fromEntries(Object.entries(result).filter(([field]) => field !== "status"));
}

/** YAML documents, as people write them; JSON as calicoctl has it: the object, or a list of them. */
function print(values: readonly JsonObject[], output: "json" | "yaml"): string {
  const [only] = values;
  if (output === "yaml")
    return values
      .map((value) => documentYaml(value))
      .join("---\n")
      .trimEnd();
  const single = values.length === 1 && only;
  return structured("json", single || { apiVersion: "v1", kind: "List", items: values });
}
