/** @module JUnit XML: a suite a test, a case an expectation and judge. */
import { caseTitle, type FileResult } from "./test-result.ts";

function escapeXml(text: string): string {
  return (
    text
      .replace(/&/g, "&amp;")
      .replace(/</g, "&lt;")
      .replace(/>/g, "&gt;")
      .replace(/"/g, "&quot;")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 knows no control characters but these three
      .replace(/[^\x09\x0a\x0d\x20-\ud7ff\ue000-\ufffd]/g, "?")
  );
}

/** @see https://github.com/testmoapp/junitxml */
export function junit(results: readonly FileResult[]): string {
  let tests = 0;
  let failed = 0;
  const suites = results.map(({ file, name, run }) => {
    const failures =
      run.cases.filter(({ passed }) => !passed).length + run.disagreements.length + run.faults.length;
    const cases = run.cases.map((entry) => {
      const title = escapeXml(
        `${entry.step === "" ? "" : `${entry.step}: `}${caseTitle(entry)} on ${entry.judge}`,
      );
      const head = `    <testcase classname="${escapeXml(name)}" name="${title}" file="${escapeXml(file)}"`;
      if (entry.passed) return `${head}/>`;
      const message = escapeXml(`expected ${entry.expected}, got ${entry.actual}`);
      return `${head}><failure message="${message}">${escapeXml(entry.because)}</failure></testcase>`;
    });
    const disagreements = run.disagreements.map(({ from, to, step, answers }) => {
      const title = escapeXml(`${step === "" ? "" : `${step}: `}${from} → ${to}: judges agree`);
      const message = escapeXml(answers.map(({ judge, actual }) => `${judge} says ${actual}`).join(", "));
      return `    <testcase classname="${escapeXml(name)}" name="${title}" file="${escapeXml(file)}"><failure message="${message}"/></testcase>`;
    });
    const faults = run.faults.map(({ step, judge, fault }) => {
      const title = escapeXml(`${step === "" ? "" : `${step}: `}${judge} holds what it should`);
      return `    <testcase classname="${escapeXml(name)}" name="${title}" file="${escapeXml(file)}"><failure message="${escapeXml(fault)}"/></testcase>`;
    });
    const all = [...cases, ...disagreements, ...faults];
    tests += all.length;
    failed += failures;
    return `  <testsuite name="${escapeXml(name)}" tests="${all.length}" failures="${failures}" errors="0" skipped="0">\n${all.join("\n")}\n  </testsuite>`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites tests="${tests}" failures="${failed}">\n${suites.join("\n")}\n</testsuites>\n`;
}
