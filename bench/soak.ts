/**
 * @module Twenty minutes, or TORTIE_SOAK_SECONDS of them, of everything that pods, clients, kills and full disks can do to a
 * cluster of a hundred pods, chosen by TORTIE_SEED. It fails when anything was lost, left, grown or reached.
 */
import { reportLines, runSoak } from "../test/support/soak/soak.ts";
import { countFrom } from "./own-cluster.ts";
import type { Print } from "./row.ts";

const SECONDS = 1200;
const SEED = 20_260_730;

/** @throws Error when the cluster has not held */
export async function run(print: Print): Promise<void> {
  const seed = countFrom("TORTIE_SEED", SEED);
  const seconds = countFrom("TORTIE_SOAK_SECONDS", SECONDS);
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  say(`seed ${seed}, ${seconds} s`);
  const report = await runSoak({ seed, seconds, say });
  for (const line of reportLines(report)) process.stdout.write(`${line}\n`);
  print({
    what: `soak of ${seconds} s, seed ${seed}`,
    value: report.problems.length === 0 ? "held" : `${report.problems.length} problems`,
    aim: "held",
  });
  if (report.problems.length > 0)
    throw new Error(`the cluster has not held; again with: TORTIE_SEED=${seed}`);
}
