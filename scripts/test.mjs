// npm test: every suite; kernel tests inside namespaces of their own. The last line counts all of them.
// TORTIE_REQUIRE_KERNEL=1, TORTIE_REQUIRE_BROWSER=1: what cannot run is a failure, not a skip.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ensureBuild, ensureDebianKubectl, ensurePackages, ensureTools, ROOT } from "./prepare.mjs";

ensurePackages();
ensureBuild();
ensureTools(["unshare", "nft", "ip", "busybox", "dash", "perl", "iperf3", "chromium", "etcd"]);
ensureDebianKubectl();

const filters = process.argv.slice(2);
const folder = mkdtempSync(path.join(tmpdir(), "tortie-test."));
const vitest = path.join(ROOT, "node_modules/vitest/vitest.mjs");
const total = { passed: 0, failed: 0, skipped: 0 };
let worst = 0;

function suite(name, projects, wrap = []) {
  const report = path.join(folder, `${name}.json`);
  const args = [vitest, "run", ...projects.flatMap((project) => ["--project", project]), "--reporter=default", "--reporter=json", `--outputFile.json=${report}`, "--passWithNoTests", ...filters];
  const [command = process.execPath, ...rest] = [...wrap, process.execPath];
  const { status } = spawnSync(command, [...rest, ...args], { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] });
  worst = Math.max(worst, status ?? 1);
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numFailedTestSuites } = JSON.parse(readFileSync(report, "utf8"));
    total.passed += numPassedTests;
    // A file that does not load has no tests to count.
    total.failed += Math.max(numFailedTests, numFailedTestSuites > 0 && numFailedTests === 0 ? numFailedTestSuites : 0);
    total.skipped += numPendingTests;
  } catch {
    total.failed++;
    process.stderr.write(`${name}: no report was written\n`);
  }
}

const unshare = ["unshare", ...(process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"]), "--net", "--"];
const kernel = spawnSync(unshare[0], [...unshare.slice(1), "true"], { encoding: "utf8" });

suite("pure", ["unit", "prop", "corpus", "differential", "e2e"]);
if (kernel.status === 0) {
  process.env.TORTIE_KERNEL_TESTS = "1";
  suite("kernel", ["kernel"], unshare);
} else {
  const reason = (kernel.stderr ?? kernel.error?.message ?? "").trim();
  process.stderr.write(`kernel tests cannot run here: ${reason}\n`);
  if (process.env.TORTIE_REQUIRE_KERNEL === "1") {
    total.failed++;
    worst = 1;
  }
}
rmSync(folder, { recursive: true, force: true });
process.stdout.write(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}\n`);
process.exit(total.failed > 0 ? 1 : worst);
