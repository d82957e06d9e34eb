/** @module What a played test came to, as the outputs need it. */
import type { CaseResult, TestRun } from "../judges/run-test.ts";
import type { ConnectivityTest } from "../resources/tortie/types.ts";

export interface FileResult {
  readonly file: string;
  readonly name: string;
  readonly run: TestRun;
  readonly test: ConnectivityTest;
}

export function caseTitle({ from, to, port, protocol, established }: CaseResult): string {
  return `${from} → ${to} ${protocol}${port === undefined ? "" : ` ${port}`}${established ? " (established)" : ""}`;
}
