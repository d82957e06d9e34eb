/** @module The package as npm gives it to people: packed, installed elsewhere, run elsewhere, imported elsewhere. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { kernelProblem } from "../../src/cli/enter-kernel.ts";
import { builtCommand, ROOT } from "../support/cli.ts";

const MANIFEST = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
  version: string;
  files: string[];
  exports: Record<string, string | { types: string; default: string }>;
};
const LIBRARIES = Object.keys(MANIFEST.exports).filter((name) => name !== "./package.json");

/** What the build reads. Packing builds, and must not do so under the feet of tests that use this folder's build. */
const SOURCES = [
  "package.json",
  "src",
  "scripts",
  "tsconfig.base.json",
  "tsconfig.json",
  "tsconfig.test.json",
];

const START_LIMIT_MS = 60;
const ROUNDS = 15;

let folder = "";
let installed = "";
let command = "";
let elsewhere = "";

function run(args: readonly string[]): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(command, [...args], { cwd: elsewhere, encoding: "utf8" });
  return { status, out: stdout, err: stderr };
}

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "tortie-package."));
  const project = path.join(folder, "project");
  elsewhere = path.join(folder, "elsewhere");
  for (const name of [project, elsewhere]) mkdirSync(name);
  for (const name of [...SOURCES, ...MANIFEST.files.filter((file) => !/^!|^dist/.test(file))]) {
    if (existsSync(path.join(ROOT, name)))
      cpSync(path.join(ROOT, name), path.join(project, name), { recursive: true });
  }
  symlinkSync(path.join(ROOT, "node_modules"), path.join(project, "node_modules"));
  const npm = (args: readonly string[], cwd: string): string =>
    execFileSync("npm", [...args, "--no-audit", "--no-fund", "--loglevel=error"], { cwd, encoding: "utf8" });
  const tarball = npm(["pack", "--pack-destination", folder], project).trim().split("\n").at(-1) ?? "";
  const prefix = path.join(folder, "prefix");
  npm(["install", "--global", "--prefer-offline", "--prefix", prefix, path.join(folder, tarball)], elsewhere);
  command = path.join(prefix, "bin", "tortie");
  installed = path.join(prefix, "lib", "node_modules", "tortie");
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the command, from a folder that is not the project", () => {
  test("--version tells the package's version", () => {
    expect(run(["--version"])).toEqual({ status: 0, out: `${MANIFEST.version}\n`, err: "" });
  });

  test("--help names every command", () => {
    const { status, out } = run(["--help"]);
    expect(status).toBe(0);
    for (const word of ["test", "explain", "matrix", "get", "demo", "doctor"])
      expect(out).toMatch(new RegExp(`^ +${word}`, "m"));
  });

  test("explain answers about the examples that come with it", () => {
    const example = (name: string): string => path.join(installed, "examples", "go-demo-2", name);
    const question = ["explain", "busybox", "deploy/go-demo-2-db", "--port", "27017"];
    const manifests = ["-f", example("go-demo-2.yml"), "-f", example("busybox.yml")];
    const open = run([...question, ...manifests]);
    expect({ status: open.status, err: open.err }).toEqual({ status: 0, err: "" });
    const closed = run([...question, ...manifests, "-f", example("deny-all-policy.yaml")]);
    expect({ status: closed.status, err: closed.err }).toEqual({ status: 1, err: "" });
    expect(closed.out).toContain("deny-all");
  });

  test("the demo plays on the model", () => {
    expect(run(["demo", "--on", "model"])).toMatchObject({ status: 0, err: "" });
  });

  test.skipIf(kernelProblem() !== undefined)("the demo plays with real packets", () => {
    expect(run(["demo", "--on", "kernel"])).toMatchObject({ status: 0, err: "" });
  });

  test("nothing but what is needed is packed", () => {
    const names = readdirSync(installed, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(installed, path.join(entry.parentPath, entry.name)))
      .filter((file) => !file.startsWith("node_modules"));
    expect(names.length).toBeGreaterThan(50);
    expect(
      names.filter(
        (file) =>
          !/^(dist|examples|docs)\/|^(package\.json|README\.md|LICENSE|CHANGELOG\.md|ARCHITECTURE\.md|SECURITY\.md)$/.test(
            file,
          ),
      ),
    ).toEqual([]);
    expect(
      names.filter((file) => /\.(test|prop)\.(js|d\.ts)$|tsbuildinfo|testdata|\.map$/.test(file)),
    ).toEqual([]);
  });
});

describe("the library", () => {
  test.each(LIBRARIES)("%s has code and types", (name) => {
    const entry = MANIFEST.exports[name];
    if (entry === undefined || typeof entry === "string") throw new Error("an export with two files");
    expect(existsSync(path.join(installed, entry.types))).toBe(true);
    expect(existsSync(path.join(installed, entry.default))).toBe(true);
  });

  test("every export is imported by its name, without a side effect on the output", () => {
    const user = path.join(folder, "user");
    mkdirSync(path.join(user, "node_modules"), { recursive: true });
    symlinkSync(installed, path.join(user, "node_modules", "tortie"));
    const imports = LIBRARIES.map((name, at) => `import * as m${at} from "tortie/${name.slice(2)}";`);
    const counts = LIBRARIES.map((_, at) => `Object.keys(m${at}).length`);
    writeFileSync(
      path.join(user, "use.mjs"),
      `${imports.join("\n")}\nconsole.log(JSON.stringify([${counts.join(", ")}]));\n`,
    );
    const { status, stdout, stderr } = spawnSync(process.execPath, ["use.mjs"], {
      cwd: user,
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect((JSON.parse(stdout) as number[]).every((count) => count > 0)).toBe(true);
    // A program in TypeScript that uses the types compiles.
    const names = LIBRARIES.map((_, at) => `m${at}`);
    writeFileSync(
      path.join(user, "use.ts"),
      `${imports.join("\n")}\nexport const all: readonly object[] = [${names.join(", ")}];\n`,
    );
    const tsc = spawnSync(
      process.execPath,
      [
        path.join(ROOT, "node_modules/typescript/bin/tsc"),
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "false",
        "--module",
        "nodenext",
        "--target",
        "es2023",
        "use.ts",
      ],
      { cwd: user, encoding: "utf8" },
    );
    expect(tsc.stdout).toBe("");
    expect(tsc.status).toBe(0);
  }, 120_000);
});

test(`--version takes at most ${START_LIMIT_MS} ms more than an empty Node program`, () => {
  const once = (args: readonly string[]): number => {
    const started = performance.now();
    execFileSync(process.execPath, [...args], { stdio: "ignore" });
    return performance.now() - started;
  };
  const times = { bare: [] as number[], tortie: [] as number[] };
  const bin = builtCommand();
  // Interleaved, so that a busy moment of the machine counts for both.
  for (let round = 0; round < ROUNDS; round++) {
    times.bare.push(once(["-e", "0"]));
    times.tortie.push(once([bin, "--version"]));
  }
  const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
  const [bare, tortie] = [median(times.bare), median(times.tortie)];
  process.stderr.write(
    `start: node -e 0 ${bare.toFixed(0)} ms, tortie --version ${tortie.toFixed(0)} ms (medians of ${ROUNDS})\n`,
  );
  expect(tortie - bare).toBeLessThan(START_LIMIT_MS);
});
