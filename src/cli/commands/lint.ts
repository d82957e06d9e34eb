/** @module `tortie lint`: what is wrong in the input, and what is legal and yet hardly meant. */
import { Cluster } from "../../analysis/cluster.ts";
import { lintCluster } from "../../analysis/lint.ts";
import { formatIssue, type Issue } from "../../base/issue.ts";
import { clusterOptions, type InputOptions, isUnread, readObjects } from "../inputs.ts";
import type { Io } from "../io.ts";
import { counted, structured } from "../output.ts";
import { paintFor } from "../paint.ts";

export interface LintOptions extends InputOptions {
  readonly output?: "json" | "yaml";
  /** Warnings are a no, too. */
  readonly strict?: boolean;
}

/** Errors of reading decide the status as everywhere, unless the user asked to go on without what is broken. */
export async function runLint(io: Io, options: LintOptions): Promise<number> {
  const loaded = await readObjects(io, options);
  const namespace = options.namespace === undefined ? {} : { defaultNamespace: options.namespace };
  const cluster = new Cluster({ ...clusterOptions(loaded.objects, options), ...namespace });
  cluster.apply(loaded.objects);
  cluster.sync();
  const issues = [...loaded.issues, ...lintCluster(cluster)];
  const errors = issues.filter(({ severity }) => severity === "error").length;
  const warnings = issues.length - errors;
  if (options.output) io.out(structured(options.output, { errors, warnings, issues }));
  else tell(io, issues, { errors, warnings, isEmpty: loaded.objects.length === 0 });
  if (errors > 0 && (!options.keepGoing || isUnread(issues))) return 2;
  return options.strict && issues.length > 0 ? 1 : 0;
}

function tell(
  io: Io,
  issues: readonly Issue[],
  told: { readonly errors: number; readonly warnings: number; readonly isEmpty: boolean },
): void {
  const paint = paintFor(io);
  for (const issue of issues)
    io.out((issue.severity === "error" ? paint.bad : paint.warn)(formatIssue(issue)));
  const { errors, warnings, isEmpty } = told;
  const counts = [
    ...(errors > 0 ? [counted(errors, "error")] : []),
    ...(warnings > 0 ? [counted(warnings, "warning")] : []),
  ];
  if (counts.length > 0) io.out(counts.join(", "));
  // A wrong folder must not look like a good one.
  else io.out(isEmpty ? paint.warn("nothing found, for there are no objects") : paint.good("nothing found"));
}
