/** @module The corpus: one ConnectivityTest for each question about meaning, in `test/corpus/<topic>/`. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { formatIssue, type Issue } from "../../src/base/issue.ts";
import { loadTests, playTest } from "../../src/cli/commands/test.ts";
import type { LoadedTest } from "../../src/cli/test-options.ts";
import { caseTitle } from "../../src/cli/test-result.ts";
import type { Judge } from "../../src/judges/judge.ts";

const FOLDER = fileURLToPath(new URL("../corpus", import.meta.url));

export interface CorpusFile {
  /** `basics/deny-all-ingress`. */
  readonly name: string;
  readonly file: string;
  readonly text: string;
}

/** All of them, by name; `CORPUS=word` takes those with the word in their name. Manifests that tests name are none. */
export function corpusFiles(): CorpusFile[] {
  const word = process.env["CORPUS"] ?? "";
  return readdirSync(FOLDER, { recursive: true, encoding: "utf8" })
    .filter(
      (entry) =>
        entry.endsWith(".yaml") && !entry.split(path.sep).includes("manifests") && entry.includes(word),
    )
    .sort()
    .map((entry) => {
      const file = path.join(FOLDER, entry);
      return { name: entry.replace(/\.yaml$/, ""), file, text: readFileSync(file, "utf8") };
    });
}

async function load(file: string): Promise<readonly LoadedTest[]> {
  const silent = { out: () => undefined, err: () => undefined, progress: () => undefined };
  const stdin = (async function* (): AsyncGenerator<string> {})();
  return loadTests({ ...silent, colour: false, width: 100, folder: FOLDER, stdin }, [file]);
}

/** `# Errors: CODE …` in a file's head says what is wrong in its objects; it is played all the same, and nothing else may be. */
function unexpectedErrors(issues: readonly Issue[], text: string): string[] {
  const expected = /^# Errors: (.+)$/m.exec(text)?.[1]?.split(" ") ?? [];
  const errors = issues.filter(({ severity }) => severity === "error");
  const codes = new Set(errors.map(({ code }) => code));
  return [
    ...errors.filter(({ code, unread }) => unread || !expected.includes(code)).map(formatIssue),
    ...expected.filter((code) => !codes.has(code)).map((code) => `no error ${code}`),
  ];
}

/**
 * Plays one file before all judges at once.
 * @param judges - new ones; closed when this ends
 * @returns what is wrong, a line each, nothing when all is well: errors in the file, answers against the expectation,
 *   judges that disagree, kernel tables that read back otherwise than wanted
 */
export async function playCorpusFile(
  { file, text }: CorpusFile,
  makeJudges: () => Promise<readonly Judge[]>,
): Promise<string[]> {
  const problems: string[] = [];
  for (const loaded of await load(file)) {
    const { issues, test } = loaded;
    problems.push(...unexpectedErrors(issues, text));
    if (problems.length > 0) return problems;
    const judges = await makeJudges();
    try {
      const { cases, disagreements, faults } = await playTest(loaded, judges);
      if (cases.length === 0) problems.push("nothing is asked");
      for (const entry of cases.filter(({ passed }) => !passed)) {
        const line = test.source.locate(entry.path)?.line;
        const step = entry.step === "" ? "" : `[${entry.step}] `;
        problems.push(
          `line ${line}: ${step}${caseTitle(entry)}: expected ${entry.expected}, ${entry.judge} says ${entry.actual}: ${entry.because}`,
        );
      }
      for (const { step, from, to, answers } of disagreements) {
        const said = answers
          .map(({ judge, actual, because }) => `${judge} says ${actual} (${because})`)
          .join("; ");
        problems.push(`the judges disagree${step === "" ? "" : ` in ${step}`} on ${from} -> ${to}: ${said}`);
      }
      for (const { step, judge, fault } of faults)
        problems.push(`${judge}${step === "" ? "" : ` in ${step}`}: ${fault}`);
    } finally {
      for (const judge of judges) await judge.close();
    }
  }
  return problems;
}
