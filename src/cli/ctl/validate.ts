/**
 * @module `tortie ctl validate`: what is wrong, what each policy selects and what it changes. It asks about meaning, so it
 * reads the whole folder; what is in files named on the command line is judged as if it were applied.
 */
import path from "node:path";
import { Cluster } from "../../analysis/index.ts";
import { lintCluster } from "../../analysis/lint.ts";
import { OpError } from "../../base/errors.ts";
import type { Issue } from "../../base/issue.ts";
import { formatPosition } from "../../base/issue.ts";
import { decodeTexts, type InputText, type LoadResult } from "../../resources/load.ts";
import { type KubernetesObject, objectName } from "../../resources/object.ts";
import { clusterOptions, isUnread } from "../inputs.ts";
import type { Io } from "../io.ts";
import { counted, structured } from "../output.ts";
import { paintFor } from "../paint.ts";
import { openFolder } from "./folder-store.ts";
import { ImpactStudy } from "./impact.ts";
import { errorsOf, issueLines } from "./manifest.ts";
import { type ResourceOptions, readManifests } from "./resources.ts";
import { type JudgedPolicy, policyData, policyLines } from "./validate-text.ts";
import type { StoreOptions } from "./write.ts";

export interface ValidateOptions extends ResourceOptions, StoreOptions {
  readonly output?: "json" | "yaml";
  readonly strict?: boolean;
}

/** @returns 2 for errors, 1 for warnings where the user is strict. @throws OpError */
export async function runValidate(io: Io, options: ValidateOptions): Promise<number> {
  const input = await readInput(io, options);
  const { objects, given } = input;
  const cluster = new Cluster(clusterOptions(objects));
  cluster.apply(objects);
  cluster.sync();
  const judged = judge(io, cluster, input);
  const found = withSelectsNothing([...input.issues, ...lintCluster(cluster)], judged);
  const issues = given ? found.filter((issue) => concerns(issue, given)) : found;
  const errors = issues.filter(({ severity }) => severity === "error").length;
  const warnings = issues.length - errors;
  if (options.output) {
    io.out(structured(options.output, { errors, warnings, policies: judged.map(policyData), issues }));
  } else {
    for (const policy of judged) for (const line of policyLines(io, policy)) io.out(line);
    tellIssues(io, issues);
    const policies = `${judged.length} ${judged.length === 1 ? "policy" : "policies"}`;
    io.out([policies, counted(errors, "error"), counted(warnings, "warning")].join(", "));
  }
  if (errors > 0) return 2;
  return options.strict && warnings > 0 ? 1 : 0;
}

interface Input {
  /** Those of the store, with the files' in their places. */
  readonly objects: readonly KubernetesObject[];
  readonly issues: readonly Issue[];
  /** What the files hold, where files are named. */
  readonly given?: LoadResult;
  /** By name: what the store has. */
  readonly stored: ReadonlyMap<string, KubernetesObject>;
}

async function readInput(io: Io, options: ValidateOptions): Promise<Input> {
  const store = await openFolder(options.store, {
    folder: io.folder,
    exclude: options.exclude ?? [],
    dryRun: true,
    isWritten: false,
  });
  if (options.filename.length === 0) {
    const { objects, issues } = decodeTexts(store.texts);
    return { objects, issues, stored: new Map() };
  }
  const manifests = await readManifests(io, options);
  const resolve = (file: string): string => path.resolve(io.folder, file);
  // A file of the store itself is judged against the store without it.
  const named = new Set(manifests.map(({ file }) => resolve(file)));
  const rest = decodeTexts(store.texts.filter(({ file }) => !named.has(resolve(file))));
  const texts: InputText[] = manifests.map(({ file, text }) => ({ file, text, scanned: true }));
  const namespace = options.namespace === undefined ? {} : { defaultNamespace: options.namespace };
  const given = decodeTexts(texts, namespace);
  const stored = new Map(rest.objects.map((object) => [objectName(object), object]));
  const merged = new Map([
    ...stored,
    ...given.objects.map((object) => [objectName(object), object] as const),
  ]);
  const broken = rest.issues.filter(({ severity }) => severity === "error").length;
  if (isUnread(rest.issues)) {
    for (const line of issueLines(errorsOf(rest.issues))) io.err(line);
    throw new OpError(
      "some object of the store could not be read at all, so there is no answer; --exclude leaves a file out by its name",
      { code: "input-invalid" },
    );
  }
  if (broken > 0)
    io.err(
      `${counted(broken, "error")} in the store: tortie ctl validate --store ${options.store} tells them`,
    );
  return { objects: [...merged.values()], issues: given.issues, given, stored };
}

function judge(io: Io, cluster: Cluster, { objects, given, stored }: Input): JudgedPolicy[] {
  const asked = (given?.objects ?? objects).filter(isPolicy);
  const study = new ImpactStudy(cluster, asked.length);
  return asked.map((object, index) => {
    io.progress(`comparing with and without ${objectName(object)} (${index + 1} of ${asked.length})`);
    const impact = study.of(object, stored.get(objectName(object)));
    return { object, impact, isProspect: given !== undefined || "stagedAction" in object };
  });
}

function isPolicy(object: KubernetesObject): boolean {
  return object.kind.endsWith("NetworkPolicy");
}

/** Linting says it too, where it knows why; each policy is warned of once. */
function withSelectsNothing(issues: readonly Issue[], judged: readonly JudgedPolicy[]): Issue[] {
  const told = new Set(
    issues.flatMap(({ code, object }) => (code === "selects-nothing" ? (object ?? "") : [])),
  );
  const more = judged.flatMap(({ object, impact }): Issue[] => {
    const name = objectName(object);
    if (!impact || impact.selects.length > 0 || told.has(name)) return [];
    const position = object.source.locate("spec") ?? object.source.locate("");
    return [
      {
        code: "selects-nothing",
        severity: "warning",
        object: name,
        message: "selects nothing",
        ...(position && { position }),
      },
    ];
  });
  return [...issues, ...more];
}

function concerns({ object, position }: Issue, { objects, issues }: LoadResult): boolean {
  if (object !== undefined && objects.some((one) => objectName(one) === object)) return true;
  const files = [...objects.map(({ source }) => source.file), ...issues.map((issue) => issue.position?.file)];
  return position !== undefined && files.includes(position.file);
}

function tellIssues(io: Io, issues: readonly Issue[]): void {
  const paint = paintFor(io);
  const order = { error: 0, warning: 1 } as const;
  for (const issue of [...issues].sort((a, b) => order[a.severity] - order[b.severity])) {
    const place = issue.position ? `${formatPosition(issue.position)}: ` : "";
    const subject = [issue.object, issue.path].filter((part) => part).join(": ");
    const hint = issue.hint ? ` (${issue.hint})` : "";
    const line = `${place}${issue.severity}: ${subject === "" ? "" : `${subject}: `}${issue.message}${hint} [${issue.code}]`;
    io.out((issue.severity === "error" ? paint.bad : paint.warn)(line));
  }
}
