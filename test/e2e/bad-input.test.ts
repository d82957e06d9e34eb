/** @module Bad input to the built command: it says what is wrong and where, on stderr, and answers nothing. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const COMMAND = fileURLToPath(new URL("../../dist/bin/tortie.js", import.meta.url));
/** No bad input may keep the command busy for longer. */
const TIMEOUT_MS = 10_000;
const FULL = existsSync("/dev/full");

let folder = "";

beforeAll(() => {
  if (!existsSync(COMMAND)) throw new Error(`${COMMAND} is not built: node scripts/build.mjs --bin-only`);
  folder = mkdtempSync(path.join(tmpdir(), "tortie-bad-input."));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly stdout?: number;
  readonly wrap?: readonly string[];
  readonly input?: string;
}

function run(args: readonly string[], options: RunOptions = {}): Ran {
  const [command = "", ...rest] = [...(options.wrap ?? []), process.execPath, COMMAND, ...args];
  const { status, stdout, stderr } = spawnSync(command, rest, {
    cwd: folder,
    encoding: "utf8",
    timeout: TIMEOUT_MS,
    input: options.input ?? "",
    stdio: ["pipe", options.stdout ?? "pipe", "pipe"],
  });
  // A stack trace would be a bug's; a status of null means that time ran out.
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(stderr).not.toContain("this is a bug");
  expect(status).not.toBeNull();
  return { status, stdout: options.stdout === undefined ? stdout : "", stderr };
}

function write(name: string, text: string | Uint8Array): void {
  mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
  writeFileSync(path.join(folder, name), text);
}

const policy = (spec: string): string =>
  `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: x}\nspec:\n${spec.replace(/^/gm, "  ")}\n`;

/** A test must ask something before anything else about it is looked at. */
const PROBES = "probes: [{from: x/a, to: x/b, port: 80, expect: allow}]";

const connectivityTest = (spec: string): string =>
  `apiVersion: tortie.dev/v1alpha1\nkind: ConnectivityTest\nmetadata: {name: t}\nspec:\n${spec.replace(/^/gm, "  ")}\n`;

describe("a manifest that is wrong is refused with its place", () => {
  test.each([
    ["is no YAML", "kind: Pod\nspec: [1, 2\nother: 3\n", /^in\.yaml:\d+:\d+: error: /m],
    ["has a tab", "kind: Pod\nmetadata:\n\tname: a\n", /^in\.yaml:3:1: error: .*tab/m],
    ["has a wrong type", policy("podSelector: 5"), /^in\.yaml:5:3: error: .*spec\.podSelector/m],
    [
      "has a bad CIDR",
      policy("podSelector: {}\ningress:\n- from:\n  - ipBlock: {cidr: 10.0.0.0/33}"),
      /^in\.yaml:8:17: error: .*10\.0\.0\.0\/33/m,
    ],
    [
      "has a CIDR of no address",
      policy("podSelector: {}\ningress:\n- from:\n  - ipBlock: {cidr: nowhere}"),
      /^in\.yaml:8:17: error: .*nowhere/m,
    ],
    [
      "excepts what is outside the block",
      policy("podSelector: {}\ningress:\n- from:\n  - ipBlock: {cidr: 10.0.0.0/24, except: [10.1.0.0/24]}"),
      /^in\.yaml:8:\d+: error: .*except\[0\]/m,
    ],
    [
      "ends a range before it begins",
      policy("podSelector: {}\ningress:\n- ports: [{port: 80, endPort: 79}]"),
      /^in\.yaml:7:\d+: error: .*endPort/m,
    ],
    [
      "ends a range that begins with a name",
      policy("podSelector: {}\ningress:\n- ports: [{port: http, endPort: 90}]"),
      /^in\.yaml:7:\d+: error: .*endPort/m,
    ],
    [
      "has In without values",
      policy("podSelector:\n  matchExpressions: [{key: app, operator: In}]"),
      /^in\.yaml:6:\d+: error: .*values/m,
    ],
    [
      "has Exists with values",
      policy("podSelector:\n  matchExpressions: [{key: app, operator: Exists, values: [a]}]"),
      /^in\.yaml:6:\d+: error: .*values/m,
    ],
    [
      "has an operator that is none",
      policy("podSelector:\n  matchExpressions: [{key: app, operator: Equals, values: [a]}]"),
      /^in\.yaml:6:\d+: error: .*Equals/m,
    ],
    [
      "has an empty peer",
      policy("podSelector: {}\ningress:\n- from: [{}]"),
      /^in\.yaml:7:\d+: error: .*from\[0\]/m,
    ],
    [
      "has an unknown policy type",
      policy("podSelector: {}\npolicyTypes: [Ingres]"),
      /^in\.yaml:6:\d+: error: .*Ingres/m,
    ],
    [
      "has a port that is too large",
      policy("podSelector: {}\ningress:\n- ports: [{port: 65536}]"),
      /^in\.yaml:7:\d+: error: .*port/m,
    ],
    [
      "has a label that is too long",
      policy(`podSelector:\n  matchLabels: {app: ${"a".repeat(64)}}`),
      /^in\.yaml:6:\d+: error: .*63/m,
    ],
    [
      "names two objects alike",
      `${policy("podSelector: {}")}---\n${policy("podSelector: {}")}`,
      /^in\.yaml:9:12: error: .*NetworkPolicy x\/p/m,
    ],
    ["has no name", "apiVersion: v1\nkind: Pod\nmetadata: {}\nspec: {}\n", /^in\.yaml:3:\d+: error: .*name/m],
    ["has no kind", "apiVersion: v1\nmetadata: {name: a}\n", /^in\.yaml:1:1: error: .*kind/m],
    ["is nested without end", `a: ${"[".repeat(100_000)}`, /^in\.yaml:1:\d+: error: /m],
    ["is a bomb of aliases", bomb(), /^in\.yaml:\d+:\d+: error: .*alias/im],
  ])("one that %s", (_why, text, message) => {
    write("in.yaml", text);
    const { status, stdout, stderr } = run(["matrix", "-f", "in.yaml"]);
    expect(stderr).toMatch(message);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  });

  test("every error is told, not the first alone", () => {
    write("in.yaml", policy("podSelector: 5\npolicyTypes: [Ingres]\ningress: [{from: [{}]}]"));
    const { stderr } = run(["matrix", "-f", "in.yaml"]);
    expect(stderr.match(/^in\.yaml:\d+:\d+: error: /gm)).toHaveLength(3);
  });

  test("on standard input it is called <stdin>", () => {
    const { status, stderr } = run(["matrix", "-f", "-"], { input: policy("podSelector: 5") });
    expect(stderr).toMatch(/^<stdin>:5:3: error: /m);
    expect(status).toBe(2);
  });

  test("bytes that are no UTF-8 are named by their offset", () => {
    write("in.yaml", Uint8Array.from([0x61, 0x3a, 0x20, 0xff, 0x0a]));
    const { status, stdout, stderr } = run(["matrix", "-f", "in.yaml"]);
    expect(stderr).toMatch(/in\.yaml: not UTF-8: byte 3/);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  });
});

describe("a manifest that the API server would warn of is warned of, and answered", () => {
  test.each([
    [
      "has an unknown field",
      policy("podSelector: {}\npodSelektor: {}"),
      /^in\.yaml:6:3: warning: .*podSelektor.*podSelector/m,
    ],
    [
      "has a CIDR with host bits",
      policy("podSelector: {}\ningress:\n- from:\n  - ipBlock: {cidr: 10.0.0.1/24}"),
      /^in\.yaml:8:17: warning: .*10\.0\.0\.0\/24/m,
    ],
  ])("one that %s", (_why, text, message) => {
    write("in.yaml", text);
    const { status, stdout, stderr } = run(["matrix", "-f", "in.yaml"]);
    expect(stderr).toMatch(message);
    expect(status).toBe(0);
    expect(stdout).not.toBe("");
  });
});

describe("a test that is wrong is refused with its place", () => {
  test.each([
    [
      "has an unknown key",
      connectivityTest("probes:\n- {from: x/a, too: x/b, to: x/b, port: 80, expect: deny}"),
      /^t\.yaml:6:\d+: error: .*too.*did you mean "to"/m,
    ],
    [
      "asks about a pod that is not there",
      connectivityTest(
        "cluster: {pods: [{namespace: x, name: a}]}\nprobes:\n- {from: x/a, to: x/ghost, port: 80, expect: deny}",
      ),
      /t\.yaml:.*x\/ghost/,
    ],
    [
      "deletes an object that is not there",
      connectivityTest(`steps:\n- delete: [{kind: NetworkPolicy, namespace: x, name: ghost}]\n  ${PROBES}`),
      /^tortie: t\.yaml:6:\d+: .*NetworkPolicy x\/ghost/m,
    ],
    [
      "labels a pod that is not there",
      connectivityTest(
        `steps:\n- label: [{kind: Pod, namespace: x, name: ghost, labels: {a: b}}]\n  ${PROBES}`,
      ),
      /^tortie: t\.yaml:6:\d+: .*Pod x\/ghost/m,
    ],
    [
      "names a manifest that is not there",
      connectivityTest("manifests: [ghost.yaml]"),
      /^tortie: t\.yaml:5:\d+: .*ghost\.yaml/m,
    ],
    [
      "expects neither allow nor deny",
      connectivityTest("probes:\n- {from: x/a, to: x/b, port: 80, expect: perhaps}"),
      /^t\.yaml:6:\d+: error: .*perhaps/m,
    ],
    [
      "holds a policy that is wrong",
      connectivityTest(`objects:\n- ${policy("podSelector: 5").trimEnd().replaceAll("\n", "\n  ")}`),
      /^t\.yaml:\d+:\d+: error: .*podSelector/m,
    ],
    [
      "gives two pods one address",
      connectivityTest(
        `cluster: {pods: [{namespace: x, name: a, ip: 192.168.0.9}, {namespace: x, name: b, ip: 192.168.0.9}]}\n${PROBES}`,
      ),
      /t\.yaml.*192\.168\.0\.9/,
    ],
    [
      "has a row that means nobody",
      connectivityTest('matrix: [{port: 80, default: allow, deny: [["x/ghost", "*"]]}]'),
      /^tortie: t\.yaml:5:\d+: .*x\/ghost/m,
    ],
    [
      "has a matrix row that means nobody",
      connectivityTest('matrix: [{port: 80, default: allow, deny: [["x/ghost", "*"]]}]'),
      /^tortie: t\.yaml:5:\d+: .*x\/ghost/m,
    ],
    ["is none", policy("podSelector: {}"), /t\.yaml.*ConnectivityTest/],
  ])("one that %s", (_why, text, message) => {
    write("t.yaml", text);
    const { status, stdout, stderr } = run(["test", "t.yaml"]);
    expect(stderr).toMatch(message);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  });
});

describe("files that cannot be read are named", () => {
  test.each([
    ["a file that is not there", "ghost.yaml", /ghost\.yaml: no such file/],
    ["a glob without a match", "ghosts/*.yaml", /ghosts\/\*\.yaml: no file matches/],
    ["a link that leads nowhere", "links", /links\/a\.yaml: the link leads nowhere/],
    ["a link to itself", "loop.yaml", /loop\.yaml: /],
    ["a file of 100 MB", "large.yaml", /large\.yaml: holds more than/],
  ])("%s", (_why, name, message) => {
    prepareUnreadable();
    for (const args of [
      ["matrix", "-f", name],
      ["test", name],
    ]) {
      const { status, stdout, stderr } = run(args);
      expect(stderr).toMatch(message);
      expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    }
  });

  // Permission bits do not hold root up: as root, the command runs as nobody.
  const nobody =
    process.getuid?.() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"] : [];
  const canDrop = nobody.length === 0 || canRead(nobody);

  test.runIf(canDrop).each([
    ["a folder", "secret"],
    ["a file", "secret.yaml"],
  ])("%s without permission", (_why, name) => {
    chmodSync(folder, 0o755);
    write("secret/a.yaml", policy("podSelector: {}"));
    write("secret.yaml", policy("podSelector: {}"));
    chmodSync(path.join(folder, name), 0);
    try {
      const { status, stdout, stderr } = run(["matrix", "-f", name], { wrap: nobody });
      expect(stderr).toMatch(/secret[^:]*: cannot (open|list): permission denied/);
      expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    } finally {
      chmodSync(path.join(folder, name), 0o755);
    }
  });
});

describe("results that cannot be written are a failure of their own", () => {
  const passing = connectivityTest(
    "cluster: {pods: [{namespace: x, name: a}]}\nprobes:\n- {from: x/a, to: x/a, port: 80, expect: allow}",
  );

  test.runIf(FULL)("a full disk under the report", () => {
    write("t.yaml", passing);
    const { status, stderr } = run(["test", "t.yaml", "--junit", "/dev/full"]);
    expect(stderr).toMatch(/\/dev\/full could not be written: ENOSPC/);
    expect(status).toBe(3);
  });

  test("a report in a folder that is not there", () => {
    write("t.yaml", passing);
    const { status, stderr } = run(["test", "t.yaml", "--junit", "nowhere/report.xml"]);
    expect(stderr).toMatch(/nowhere\/report\.xml could not be written: ENOENT/);
    expect(status).toBe(3);
  });

  test.runIf(FULL).each([
    ["test", ["test", "t.yaml"]],
    ["matrix", ["matrix", "-f", "in.yaml"]],
    ["explain", ["explain", "x/a", "x/a", "--port", "80", "-f", "pod.yaml"]],
    ["get", ["get", "-f", "in.yaml"]],
    ["--version", ["--version"]],
    ["--help", ["--help"]],
  ])("a full disk under the output of %s", (_name, args) => {
    write("t.yaml", passing);
    write("in.yaml", policy("podSelector: {}"));
    write(
      "pod.yaml",
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: x}\nspec: {containers: []}\n",
    );
    const full = openSync("/dev/full", "w");
    try {
      const { status, stderr } = run(args, { stdout: full });
      expect(stderr).toMatch(/could not be written: ENOSPC/);
      expect(status).toBe(3);
    } finally {
      closeSync(full);
    }
  });
});

describe("arguments that mean nothing are refused", () => {
  test.each([
    ["an unknown command", ["matrx"], /matrx/],
    ["an unknown option", ["matrix", "--colour"], /--colour/],
    ["no manifests", ["matrix"], /no manifests/],
    ["an unknown judge", ["test", "t.yaml", "--on", "jury"], /jury/],
    ["an unknown protocol", ["matrix", "-f", "in.yaml", "--protocol", "GRE"], /GRE/],
    ["a port that is none", ["matrix", "-f", "in.yaml", "--port", "99999"], /99999/],
    ["a pod that is not there", ["explain", "x/ghost", "x/a", "--port", "80", "-f", "in.yaml"], /x\/ghost/],
  ])("%s", (_why, args, message) => {
    write("in.yaml", policy("podSelector: {}"));
    const { status, stdout, stderr } = run(args);
    expect(stderr).toMatch(message);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  });
});

/** Nine levels of nine aliases each: 387 million values. */
function bomb(): string {
  const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"];
  for (let level = 1; level < 9; level++) {
    const alias = `*a${level - 1}`;
    lines.push(`a${level}: &a${level} [${Array.from({ length: 9 }, () => alias).join(", ")}]`);
  }
  return `${lines.join("\n")}\nkind: Pod\napiVersion: v1\nmetadata: {name: a}\n`;
}

function prepareUnreadable(): void {
  mkdirSync(path.join(folder, "links"), { recursive: true });
  write("large.yaml", "");
  // Sparse: it takes no room.
  truncateSync(path.join(folder, "large.yaml"), 100_000_000);
  for (const [target, name] of [
    ["nowhere", "links/a.yaml"],
    ["loop.yaml", "loop.yaml"],
  ] as const) {
    rmSync(path.join(folder, name), { force: true });
    symlinkSync(target, path.join(folder, name));
  }
}

/** Whether nobody may run the command at all. */
function canRead(wrap: readonly string[]): boolean {
  const [command = "", ...rest] = [...wrap, process.execPath, COMMAND, "--version"];
  return spawnSync(command, rest, { timeout: TIMEOUT_MS }).status === 0;
}
