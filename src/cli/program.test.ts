import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { load } from "js-yaml";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "./testing.ts";

const DEMO = fileURLToPath(new URL("../../examples/go-demo-2", import.meta.url));
const ALL = [
  "-f",
  "go-demo-2.yml",
  "-f",
  "busybox.yml",
  "-f",
  "deny-all-policy.yaml",
  "-f",
  "go-demo-policy.yaml",
];
const demo = (...argv: string[]) => runCli(argv, { folder: DEMO });

describe("help", () => {
  test.each(["test", "explain", "matrix", "get", "lint", "ruleset", "demo", "doctor", "completion"])(
    "tortie %s --help has examples",
    async (name) => {
      const { exit, out, err } = await runCli([name, "--help"]);
      expect({ exit, err }).toEqual({ exit: 0, err: "" });
      expect(out).toContain("Examples:");
      expect(out).toContain(`tortie ${name}`);
    },
  );

  test("the exit statuses are told", async () => {
    expect((await runCli(["--help"])).out).toContain("6  two judges disagree");
  });

  test.each([
    [["nonsense"]],
    [["explain"]],
    [["explain", "a", "b", "--nonsense"]],
    [["matrix", "-o", "xml", "-f", "."]],
    [["test", "x", "--on", "oracle"]],
  ])("%j is refused with status 2, on stderr alone", async (argv) => {
    const { exit, out, err } = await runCli(argv);
    expect({ exit, out }).toEqual({ exit: 2, out: "" });
    expect(err).not.toBe("");
  });
});

describe("explain", () => {
  test("exit 1 and the isolating policy for a denied connection", async () => {
    const { exit, out } = await demo("explain", "busybox", "deploy/go-demo-2-db", "--port", "27017", ...ALL);
    expect(exit).toBe(1);
    expect(out.split("\n")).toEqual([
      "default/busybox → default/go-demo-2-db-1 TCP 27017: DENIED",
      "  egress  allowed: no policy decides the egress of default/busybox, so it is open",
      "  ingress denied: default/go-demo-2-db-1 is isolated, and no rule of these allows it",
      "          NetworkPolicy default/deny-all (deny-all-policy.yaml:1:1): no rules",
    ]);
  });

  test("exit 0 for an allowed one; JSON says the same", async () => {
    const { exit, out } = await demo(
      "explain",
      "busybox",
      "go-demo-2-db",
      "--port",
      "27017",
      "-o",
      "json",
      "-f",
      "go-demo-2.yml",
      "-f",
      "busybox.yml",
    );
    expect(exit).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      outcome: "allow",
      verdicts: [{ to: "default/go-demo-2-db-1", allowed: true }],
    });
  });

  test("--pod-cidr says where pods get addresses", async () => {
    const { out } = await demo(
      "get",
      "pods",
      "--pod-cidr",
      "10.244.0.0/16",
      "--pod-cidr",
      "fd00:1::/64",
      ...ALL,
    );
    expect(out).toMatch(/default\/busybox +node1 +10\.244\.0\.1,fd00:1::1 /);
  });

  test.each(["10.0.0.1/8", "x", "10.0.0.0/33"])("--pod-cidr %s is refused", async (cidr) => {
    const { exit, err } = await demo("matrix", "--pod-cidr", cidr, ...ALL);
    expect(exit).toBe(2);
    expect(err).toContain("--pod-cidr");
  });

  test.each([
    ["without a port", ["explain", "a", "b", "-f", "."], "which port"],
    ["with port 0", ["explain", "a", "b", "--port", "0", "-f", "."], "not between 1 and 65535"],
    ["with a port that is no port", ["explain", "a", "b", "--port", "8 0", "-f", "."], "is no port"],
    ["without manifests", ["explain", "a", "b", "--port", "80"], "name files"],
    [
      "with an unknown protocol",
      ["explain", "a", "b", "--port", "80", "--protocol", "QUIC", "-f", "."],
      "unknown protocol",
    ],
    [
      "with a pod that is not there",
      ["explain", "nobody", "busybox", "--port", "80", ...ALL],
      "nothing is called nobody",
    ],
  ])("%s: status 2 and what to do", async (_why, argv, message) => {
    const { exit, out, err } = await demo(...argv);
    expect({ exit, out }).toEqual({ exit: 2, out: "" });
    expect(err).toContain(message);
  });
});

describe("matrix", () => {
  test("workloads are rows and columns", async () => {
    const { exit, out } = await demo("matrix", "--protocol", "ICMP", ...ALL);
    expect(exit).toBe(0);
    expect(out.split("\n").slice(0, 4)).toEqual([
      "   FROM \\ TO                       1  2  3",
      "1  default/busybox                 ✓  ✕  ✕",
      "2  default/go-demo-2-api (3 pods)  ✕  ✕  ✕",
      "3  default/go-demo-2-db            ✕  ✕  ✓",
    ]);
  });

  test("CSV, Markdown and JSON hold the same cells", async () => {
    const csv = (await demo("matrix", "-o", "csv", ...ALL)).out.split("\n");
    expect(csv[0]).toBe("from,to,verdict");
    expect(csv).toContain("default/busybox,default/go-demo-2-db,deny");
    expect((await demo("matrix", "-o", "md", ...ALL)).out).toContain("| default/busybox | ✓ | ✕ | ✕ |");
    const json = JSON.parse((await demo("matrix", "-o", "json", ...ALL)).out) as { pairs: unknown[] };
    expect(json.pairs).toHaveLength(9);
    const yaml = load((await demo("matrix", "-o", "yaml", ...ALL)).out) as { pairs: unknown[] };
    expect(yaml).toEqual(json);
  });

  test("a Deployment and a StatefulSet of one name are told apart; pods on the host's network are counted", async () => {
    const workload = (kind: string, spec = ""): string =>
      `apiVersion: apps/v1\nkind: ${kind}\nmetadata: {name: web}\nspec: {selector: {matchLabels: {a: ${kind}}}, template: {metadata: {labels: {a: ${kind}}}, spec: {${spec}containers: []}}}\n---\n`;
    const input =
      workload("Deployment") + workload("StatefulSet") + workload("DaemonSet", "hostNetwork: true, ");
    const { out } = await runCli(["matrix", "-f", "-"], { input });
    expect(out).toContain("1  default/deployment/web");
    expect(out).toContain("2  default/statefulset/web");
    expect(out).toContain("TCP 80: ✓ can open a connection");
    expect(out).toContain("2 pods on the host's network have no row");
  });

  test("ten thousand pods without a workload are told, too", { timeout: 30_000 }, async () => {
    const pods = Array.from(
      { length: 10_000 },
      (_, index) =>
        `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p${index}","labels":{"app":"a${index % 500}"}},"spec":{"containers":[{"name":"c","image":"i"}]}}`,
    );
    const policy = (index: number): string =>
      `{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"p${index}"},"spec":{"podSelector":{"matchLabels":{"app":"a${index}"}},"ingress":[{"from":[{"podSelector":{"matchLabels":{"app":"a${index + 1}"}}}]}]}}`;
    const policies = Array.from({ length: 400 }, (_, index) => policy(index));
    const input = `{"apiVersion":"v1","kind":"List","items":[${[...pods, ...policies].join(",")}]}`;
    const { exit, out } = await runCli(["matrix", "-f", "-"], { input });
    expect(exit).toBe(0);
    // Each of the first 401 differs from the others; the 99 that no policy names are one.
    expect(out).toContain("10000 workloads behave in 402 ways");
  });

  test("3,000 workloads are told in a page, by how they behave", async () => {
    const app = (index: number): string =>
      `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"app${index}","labels":{"app":"app${index}","tier":"t${index % 3}"}},"spec":{"containers":[{"name":"c","image":"i"}]}}`;
    const policy = `{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"p"},"spec":{"podSelector":{"matchLabels":{"tier":"t0"}},"ingress":[{"from":[{"podSelector":{"matchLabels":{"tier":"t1"}}}]}]}}`;
    const input = `{"apiVersion":"v1","kind":"List","items":[${Array.from({ length: 3_000 }, (_, index) => app(index)).join(",")},${policy}]}`;
    const { exit, out } = await runCli(["matrix", "-f", "-"], { input });
    expect(exit).toBe(0);
    expect(out.split("\n").length).toBeLessThan(20);
    expect(out).toContain("3000 workloads behave in 3 ways");
  });
});

test("ruleset prints the node's table, and refuses a node that is not there", async () => {
  const { exit, out } = await demo("ruleset", "node2", ...ALL);
  expect(exit).toBe(0);
  expect(out).toMatch(/^table inet tortie\ndelete table inet tortie\ntable inet tortie \{/);
  expect(out).toContain("chain in/NetworkPolicy/default/deny-all {");
  expect(await demo("ruleset", "node9", ...ALL)).toMatchObject({ exit: 2, out: "" });
});

describe("get", () => {
  test("policies, pods with identities, issues", async () => {
    const { exit, out } = await demo("get", ...ALL);
    expect(exit).toBe(0);
    expect(out).toContain("NetworkPolicy default/deny-all");
    expect(out).toMatch(/default\/busybox +node1 +192\.168\.0\.1 +1 +ingress/);
    expect(out).toContain("ISSUES\nnone");
  });

  test("a word that objects inherit is no kind", async () => {
    expect(await demo("get", "constructor", ...ALL)).toMatchObject({ exit: 2, out: "" });
  });

  test("errors in the input are mentioned where they are not shown", async () => {
    const input = "apiVersion: v1\nkind: Pod\nmetadata: {name: A}\nspec: {containers: []}\n";
    const { exit, err } = await runCli(["get", "pods", "-f", "-"], { input });
    expect(exit).toBe(2);
    expect(err).toContain("1 error in the input");
  });

  test("issues are an answer with status 2", async () => {
    const input =
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: x}}]}]}\n";
    const { exit, out } = await runCli(["get", "issues", "-f", "-"], { input });
    expect(exit).toBe(2);
    expect(out).toMatch(
      /<stdin>:4:\d+: error: NetworkPolicy default\/p: spec\.ingress\[0\]\.from\[0\]\.ipBlock\.cidr/,
    );
  });
});

describe("test", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), "tortie-cli."));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const save = (name: string, probes: string): string => {
    const text = `apiVersion: tortie.dev/v1alpha1\nkind: ConnectivityTest\nmetadata: {name: ${name}}\nspec:\n  cluster:\n    pods:\n      - {namespace: x, name: a}\n      - {namespace: x, name: b}\n  probes:\n${probes}`;
    writeFileSync(path.join(folder, `${name}.yaml`), text);
    return `${name}.yaml`;
  };

  test("the walkthrough holds on the model and on the compiled ruleset", async () => {
    expect(await demo("test", "go-demo-2.test.yaml")).toMatchObject({ exit: 0, err: "" });
    expect(await demo("test", "go-demo-2.test.yaml", "--on", "ruleset")).toMatchObject({ exit: 0, err: "" });
  });

  test("a broken expectation: status 1, its line, and the reason", async () => {
    const file = save(
      "broken",
      "    - {from: x/a, to: x/b, port: 80, expect: deny}\n    - {from: x/b, to: x/a, port: 80, expect: allow}\n",
    );
    const { exit, out } = await runCli(["test", file], { folder });
    expect(exit).toBe(1);
    expect(out).toContain("broken.yaml:10:7: x/a → x/b TCP 80: expected deny, model says allow");
    expect(out).toContain("no policy governs it on either side");
    expect(out.split("\n").at(-1)).toBe("1 passed, 1 failed");
  });

  test("--json is one object with every case, --junit writes XML that tells the failure", async () => {
    const file = save("data", "    - {from: x/a, to: x/b, port: 80, expect: deny}\n");
    const { exit, out } = await runCli(["test", file, "--json", "--junit", "report.xml"], { folder });
    expect(exit).toBe(1);
    expect(JSON.parse(out)).toEqual({
      passed: 0,
      failed: 1,
      cases: [
        {
          file: "data.yaml",
          name: "data",
          step: "",
          from: "x/a",
          to: "x/b",
          port: 80,
          protocol: "TCP",
          expected: "deny",
          actual: "allow",
          because: "no policy governs it on either side",
          judge: "model",
        },
      ],
    });
    const xml = readFileSync(path.join(folder, "report.xml"), "utf8");
    expect(xml).toContain('<testsuite name="data" tests="1" failures="1" errors="0" skipped="0">');
    expect(xml).toContain('<failure message="expected deny, got allow">');
  });

  test("of a folder, only files that speak of a ConnectivityTest are tests; a file named by itself must be one", async () => {
    mkdirSync(path.join(folder, "beside"));
    writeFileSync(
      path.join(folder, "beside/manifest.yaml"),
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
    );
    writeFileSync(path.join(folder, "beside/values.yaml"), "replicas: {{ n }}\n");
    expect(await runCli(["test", "beside"], { folder })).toMatchObject({ exit: 2 });
    const file = save("one", "    - {from: x/a, to: x/b, port: 80, expect: allow}\n");
    renameSync(path.join(folder, file), path.join(folder, "beside", file));
    expect(await runCli(["test", "beside"], { folder })).toMatchObject({ exit: 0, err: "" });
    expect(await runCli(["test", "beside/*.yaml"], { folder })).toMatchObject({ exit: 0, err: "" });
    const { exit, err } = await runCli(["test", "beside/manifest.yaml"], { folder });
    expect(exit).toBe(2);
    expect(err).toContain("there is no ConnectivityTest in it");
  });

  test("a test that asks nothing says so, and a matrix row that names nobody is refused", async () => {
    const nothing = await runCli(["test", save("nothing", "    []\n")], { folder });
    expect(nothing.exit).toBe(0);
    expect(nothing.err).toContain("[no-expectation]");
    const file = save(
      "typo",
      '    []\n  matrix:\n    - {port: 80, default: allow, deny: [["x/typo", "x/b"]]}\n',
    );
    const { exit, err } = await runCli(["test", file], { folder });
    expect(exit).toBe(2);
    expect(err).toContain("typo.yaml:12:");
    expect(err).toContain("x/typo means no pod that is there");
  });

  test("an object that two of the named files hold is told, a file that is named twice is read once", async () => {
    const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: c, namespace: x}\nspec: {containers: []}\n";
    for (const name of ["c1.yml", "c2.yml"]) writeFileSync(path.join(folder, name), pod);
    const probes = "    - {from: x/a, to: x/c, port: 80, expect: allow}\n";
    const once = save("once", `${probes}  manifests: [c1.yml, ./c1.yml]\n`);
    expect(await runCli(["test", once], { folder })).toMatchObject({ exit: 0 });
    const twice = save("twice", `${probes}  manifests: [c1.yml, c2.yml]\n`);
    const { exit, err } = await runCli(["test", twice], { folder });
    expect(exit).toBe(2);
    expect(err).toContain("[duplicate-object]");
  });

  test("a report that cannot be written is status 3", async () => {
    const file = save("full", "    - {from: x/a, to: x/b, port: 80, expect: allow}\n");
    const { exit, err } = await runCli(["test", file, "--junit", "/dev/full"], { folder });
    expect(exit).toBe(3);
    expect(err).toContain("ENOSPC");
  });
});

test("the bash script completes commands, options, their values and arguments", async () => {
  const { out: script } = await runCli(["completion", "bash"]);
  const complete = (...words: string[]): string => {
    const line = ["tortie", ...words].map((word) => `'${word}'`).join(" ");
    const ask = `COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _tortie; echo "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = spawnSync("bash", ["-c", `${script}\n${ask}`], { encoding: "utf8" });
    expect(stderr).toBe("");
    return stdout.trim();
  };
  expect(complete("ex")).toBe("explain");
  expect(complete("matrix", "--po")).toBe("--pod-cidr --port --pods");
  expect(complete("matrix", "-o", "")).toBe("json yaml csv md");
  expect(complete("test", "--on", "r")).toBe("ruleset");
  expect(complete("explain", "a", "b", "--protocol", "")).toBe("TCP UDP SCTP ICMP");
  expect(complete("ctl", "get", "gnp", "-o", "")).toBe("ps wide yaml json name custom-columns=");
  expect(complete("get", "")).toBe("policies pods issues");
  expect(complete("completion", "z")).toBe("zsh");
  expect(complete("help", "doc")).toBe("doctor");
});

test("a wrong flag of a verb of ctl names the help of that verb's own family", async () => {
  expect((await runCli(["ctl", "get", "gnp", "--nonsense"])).err).toContain(
    "(tortie ctl help VERB tells more)",
  );
  expect((await runCli(["lint", "--nonsense"])).err).toContain("(tortie help COMMAND tells more)");
});

test("completion scripts name every command and option", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { exit, out } = await runCli(["completion", shell]);
    expect(exit).toBe(0);
    for (const word of ["explain", "matrix", "junit", "keep-going", "doctor"]) expect(out).toContain(word);
  }
});

test("colour is only for terminals", async () => {
  const plain = await demo("matrix", ...ALL);
  const coloured = await runCli(["matrix", ...ALL], { folder: DEMO, colour: true });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colour is written with them
  const control = /\u001b\[/;
  expect(plain.out).not.toMatch(control);
  expect(coloured.out).toMatch(control);
});

test("a policy whose tier nobody gave is told with every answer", async () => {
  const policy = `apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: guard}
spec: {tier: platfrom, selector: all(), ingress: [{action: Deny}]}
---
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: platform}
spec: {order: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: a}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b}
spec: {containers: [{name: c, image: i}]}
`;
  const { err, exit } = await runCli(["explain", "a", "b", "--port", "80", "-f", "-"], { input: policy });
  expect(err).toContain("there is no tier platfrom");
  expect(err).toContain("did you mean platform?");
  expect(exit).toBe(1);
});

test("what cannot be asked is refused, in the words of the question", async () => {
  const input = ["a", "b"]
    .map(
      (name) =>
        `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec: {containers: [{name: c, image: i}]}\n`,
    )
    .join("---\n");
  const ask = (...argv: string[]) => runCli(["explain", ...argv, "-f", "-"], { input });
  expect((await ask("a", "b", "--protocol", "ICMP", "--port", "5")).err).toContain("ICMP has no ports");
  expect((await ask("a", "svc/x", "--port", "5")).err).toContain("the input has no Services");
  expect((await ask("default/a/zzz", "b", "--port", "5")).err).toContain("nothing is called default/a/zzz");
});
