import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { runCli } from "../testing.ts";
import { KINDS, kindOfObject, kindOfWord, kindsOfWord } from "./kinds.ts";

test.each([
  ["networkpolicy", "NetworkPolicy.projectcalico.org"],
  ["policy", "NetworkPolicy.projectcalico.org"],
  ["cnp", "NetworkPolicy.projectcalico.org"],
  ["networkpolicies.projectcalico.org", "NetworkPolicy.projectcalico.org"],
  ["networkpolicy.crd.projectcalico.org", "NetworkPolicy.projectcalico.org"],
  ["networkpolicy.networking.k8s.io", "NetworkPolicy.networking.k8s.io"],
  ["KNP", "NetworkPolicy.networking.k8s.io"],
  ["GlobalNetworkPolicy", "GlobalNetworkPolicy.projectcalico.org"],
  ["cgnp", "GlobalNetworkPolicy.projectcalico.org"],
  ["sknp", "StagedKubernetesNetworkPolicy.projectcalico.org"],
  ["netset", "NetworkSet.projectcalico.org"],
  ["gns", "GlobalNetworkSet.projectcalico.org"],
  ["ns", "Namespace"],
  ["kcc", "KubeControllersConfiguration.projectcalico.org"],
  ["anp", "AdminNetworkPolicy.policy.networking.k8s.io"],
])("%s means %s", (word, id) => {
  expect(kindOfWord(word).id).toBe(id);
});

test("no word means two kinds", () => {
  const words = KINDS.flatMap((kind) => kind.words);
  expect(words.filter((word, index) => words.indexOf(word) !== index)).toEqual([]);
});

test("objects of each API, stored ones included, are of their kind", () => {
  expect(kindOfObject("NetworkPolicy", "networking.k8s.io/v1")?.id).toBe("NetworkPolicy.networking.k8s.io");
  expect(kindOfObject("NetworkPolicy", "crd.projectcalico.org/v1")?.id).toBe(
    "NetworkPolicy.projectcalico.org",
  );
  expect(kindOfObject("IPAMConfig", "crd.projectcalico.org/v1")?.name).toBe("IPAMConfiguration");
  expect(kindOfObject("Node", "v1")).toBe(kindOfObject("Node", "projectcalico.org/v3"));
  expect(kindOfObject("Deployment", "apps/v1")).toBeUndefined();
  expect(kindsOfWord("all")).toBe(KINDS);
});

test("bash completes subcommands, kinds, options and their values", async () => {
  const { out: script } = await runCli(["completion", "bash"]);
  const complete = (...words: string[]): string => {
    const line = ["tortie", ...words].map((word) => `'${word}'`).join(" ");
    // Names come from the command itself: one that answers stands in for it.
    const command = `tortie() { [ "$*" = "ctl get gnp -A -o name --store m" ] && echo 'g.o/deny-all' && echo 'g.o/$(touch x)'; }`;
    const ask = `${command}; COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _tortie; echo "\${COMPREPLY[@]}"`;
    return spawnSync("bash", ["-c", `${script}\n${ask}`], { encoding: "utf8" }).stdout.trim();
  };
  expect(complete("ctl", "")).toBe("get apply create replace delete patch label validate convert");
  expect(complete("ctl", "get", "globalnetworkp")).toBe("globalnetworkpolicy");
  expect(complete("ctl", "patch", "gnp", "a", "--type", "")).toBe("strategic json merge");
  expect(complete("ctl", "create", "--skip-ex")).toBe("--skip-exists");
  expect(complete("ctl", "get", "gnp", "--store", "m", "")).toBe("deny-all");
});
