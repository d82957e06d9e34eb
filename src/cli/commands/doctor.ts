/** @module `tortie doctor`: what this machine can do, and what to do about the rest. */
import { checkSecurity } from "../../cluster/security-check.ts";
import { inspectKernel, type KernelCheck } from "../../linux/kernel-support.ts";
import type { Io } from "../io.ts";
import { structured } from "../output.ts";
import { paintFor } from "../paint.ts";
import { textTable } from "../table.ts";
import { VERSION } from "../version.ts";

export interface DoctorOptions {
  readonly output?: "json" | "yaml";
  readonly security?: boolean;
}

function printChecks(io: Io, checks: readonly KernelCheck[]): void {
  const paint = paintFor(io);
  io.out(`tortie ${VERSION}, Node ${process.version}`);
  io.out("");
  const rows = checks.map((check) => [
    check.ok ? paint.good("✓") : check.required ? paint.bad("✕") : paint.warn("-"),
    check.name,
    check.ok ? check.detail : `${check.detail}${check.fix === undefined ? "" : ` → ${check.fix}`}`,
  ]);
  for (const line of textTable([], rows, 2)) io.out(line);
}

/** @returns 0 when all that is promised of pods holds here, 1 when something does not */
async function runSecurity(io: Io, { output }: DoctorOptions): Promise<number> {
  const checks = await checkSecurity();
  const holds = checks.every(({ ok }) => ok);
  if (output) io.out(structured(output, { version: VERSION, node: process.version, checks, holds }));
  else {
    printChecks(io, checks);
    io.out("\nWhat is promised, and to whom: SECURITY.md");
  }
  return holds ? 0 : 1;
}

/** @returns 0 when packets can be real here, 1 when only the model can answer */
export function runDoctor(io: Io, options: DoctorOptions): Promise<number> {
  if (options.security) return runSecurity(io, options);
  const report = inspectKernel();
  if (options.output) {
    io.out(structured(options.output, { version: VERSION, node: process.version, ...report }));
    return Promise.resolve(report.usable ? 0 : 1);
  }
  const paint = paintFor(io);
  printChecks(io, report.checks);
  io.out("");
  io.out("model      answers from manifests: always");
  io.out("ruleset    the compiled nftables table, interpreted: always");
  io.out(
    `kernel     real packets between network namespaces: ${report.usable ? paint.good("yes") : paint.bad("no")}`,
  );
  if (report.install !== undefined) io.out(`\nto install what is missing: ${report.install}`);
  return Promise.resolve(report.usable ? 0 : 1);
}
