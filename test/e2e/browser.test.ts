/** @module The pure rooms in a browser: the same answers, without a line that needs Node. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { build, type Plugin } from "esbuild";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOT } from "../support/cli.ts";

const CHROMIUM = "/usr/bin/chromium";
const ROOMS = ["resources", "policy", "analysis", "nft", "judges"];
const EXAMPLE = path.join(ROOT, "examples", "go-demo-2");

function hasChromium(): boolean {
  if (existsSync(CHROMIUM)) return true;
  const reason = `${CHROMIUM} is not there (apt-get install chromium)`;
  if (process.env["TORTIE_REQUIRE_BROWSER"] === "1") throw new Error(`a browser is required, but ${reason}`);
  process.stderr.write(`browser tests are skipped: ${reason}\n`);
  return false;
}

/** What runs in the page: manifests in, the answer to one question on three judges out. */
const PROGRAM = `
import { decodeTexts } from "./src/resources/index.ts";
import { fromNetworkPolicy } from "./src/policy/index.ts";
import { answer, Cluster } from "./src/analysis/index.ts";
import { NodeRuleset, render } from "./src/nft/index.ts";
import { ModelJudge, RulesetJudge } from "./src/judges/index.ts";

globalThis.ask = (files, question) => {
  const { objects, issues } = decodeTexts(files);
  const cluster = new Cluster();
  cluster.apply(objects);
  const change = cluster.sync();
  const { outcome } = answer(cluster, question);
  const judges = [new ModelJudge(), new RulesetJudge()];
  for (const judge of judges) judge.follow(cluster, change);
  const ruleset = new NodeRuleset(cluster.graph, { node: cluster.plan.nodes[0].name, interfaceOf: (id) => id, podPrefix: "tt", families: [4], uplink: "eth0" });
  ruleset.start();
  return {
    issues: issues.length,
    outcome,
    judged: judges.map((judge) => judge.ask([question])[0].outcome),
    policies: objects.filter(({ kind }) => kind === "NetworkPolicy").map((policy) => fromNetworkPolicy(policy).id),
    table: render(ruleset.table).split("\\n")[0],
  };
};
`;

async function bundle(contents: string): Promise<string> {
  const builtin = new Set([...builtinModules, ...builtinModules.map((name) => `node:${name}`)]);
  const found: string[] = [];
  const noBuiltins: Plugin = {
    name: "no-builtins",
    setup: ({ onResolve }) => {
      onResolve({ filter: /.*/ }, ({ path: name, importer }) => {
        if (builtin.has(name)) found.push(`${path.relative(ROOT, importer)} imports ${name}`);
        return undefined;
      });
    },
  };
  const result = await build({
    stdin: { contents, resolveDir: ROOT, loader: "js" },
    bundle: true,
    write: false,
    format: "iife",
    platform: "browser",
    target: "es2023",
    logLevel: "silent",
    plugins: [noBuiltins],
  }).catch((error: unknown) => {
    throw new Error(found.join("; ") || String(error), { cause: error });
  });
  expect(found).toEqual([]);
  return result.outputFiles[0]?.text ?? "";
}

test.each(ROOMS)("%s needs nothing of Node", async (room) => {
  expect((await bundle(`export * from "./src/${room}/index.ts";`)).length).toBeGreaterThan(1_000);
});

describe.skipIf(!hasChromium())("in Chromium", () => {
  let home = "";
  let browser: Awaited<ReturnType<typeof chromium.launch>> | undefined;

  beforeAll(async () => {
    // An ordinary user's home may not be writable; Chromium wants one.
    home = mkdtempSync(path.join(tmpdir(), "tortie-browser."));
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
      env: { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home } as Record<
        string,
        string
      >,
      timeout: 60_000,
    });
  }, 90_000);

  afterAll(async () => {
    await browser?.close();
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  });

  test("manifests given as text are decoded, compiled and answered about", async () => {
    const page = await browser?.newPage();
    if (!page) throw new Error("no page");
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    await page.setContent("<!doctype html><title>tortie</title>");
    await page.addScriptTag({ content: await bundle(PROGRAM) });
    const files = (...names: string[]): { file: string; text: string }[] =>
      names.map((name) => ({ file: name, text: readFileSync(path.join(EXAMPLE, name), "utf8") }));
    const ask = (given: { file: string; text: string }[], to: string): Promise<unknown> =>
      page.evaluate(
        ([texts, question]) =>
          (globalThis as unknown as { ask: (a: unknown, b: unknown) => unknown }).ask(texts, question),
        [given, { from: "busybox", to, port: 80, protocol: "TCP" }] as const,
      );
    const open = files("go-demo-2.yml", "busybox.yml");
    const to = "deploy/go-demo-2-api";
    expect(await ask(open, to)).toMatchObject({
      issues: 0,
      outcome: "allow",
      judged: ["allow", "allow"],
      policies: [],
    });
    expect(await ask([...open, ...files("deny-all-policy.yaml")], to)).toMatchObject({
      issues: 0,
      outcome: "deny",
      judged: ["deny", "deny"],
      policies: [expect.stringMatching(/^NetworkPolicy default\//)],
      table: "table inet tortie",
    });
    expect(errors).toEqual([]);
  });
});
