/** @module The commands, their options and help. Each loads its own code when it runs. */
import { Argument, Command, CommanderError, Option } from "commander";
import { addCluster } from "./commands/cluster.ts";
import { addCompletion } from "./commands/completion.ts";
import { addCtl } from "./commands/ctl.ts";
import { collect, excluded } from "./commands/shared-options.ts";
import type { Io } from "./io.ts";
import { VERSION } from "./version.ts";

const EXIT_HELP = `
Exit status:
  0  yes: allowed, every expectation holds
  1  no: denied, some expectation does not hold, a warning with --strict
  2  bad input: every issue is told with file:line:column
  3  the output could not be written
  4  the kernel is needed and cannot be used here (see tortie doctor)
  5  the kernel refused something
  6  two judges disagree: a fault of tortie's, please report it
  70 a fault of tortie's own, with its stack
  130 interrupted`;

interface Shared {
  filename: string[];
  namespace?: string;
  keepGoing?: boolean;
}

function withInput(command: Command): Command {
  return command
    .addOption(
      new Option(
        "-f, --filename <path>",
        "manifests: a file, folder or glob, or - for standard input (repeatable)",
      )
        .argParser(collect)
        .default([], "none"),
    )
    .option(
      "--context [name]",
      "a running cluster by its kubeconfig context, the current one where none is named; files go over it",
    )
    .addOption(excluded())
    .option("-n, --namespace <name>", "namespace of objects that name none", "default")
    .addOption(podCidr())
    .option("--keep-going", "answer from what could be read; what is broken fails closed");
}

function podCidr(): Option {
  return new Option("--pod-cidr <cidr>", "where pods get addresses, one for each family")
    .argParser(collect)
    .default([], "192.168.0.0/16");
}

function staged(): Option {
  return new Option("--staged", "answer as if staged policies were enforced");
}

function denyWith(): Option {
  return new Option("--deny-with <action>", "what is denied vanishes, or its sender is told so")
    .choices(["drop", "reject"])
    .default("drop");
}

function output(...choices: string[]): Option {
  return new Option("-o, --output <format>", "output format").choices(choices);
}

/** @returns the exit status. @throws OpError */
export async function runProgram(io: Io, argv: readonly string[]): Promise<number> {
  let status = 0;
  const run = (work: () => Promise<number>): Promise<void> =>
    work().then((code) => {
      status = code;
    });
  const program = new Command("tortie")
    .description("Kubernetes network policy: who can reach whom, why, and what real packets say")
    .version(VERSION, "-V, --version")
    .showHelpAfterError("(tortie help COMMAND tells more)")
    .configureHelp({ showGlobalOptions: false })
    .addHelpText("after", EXIT_HELP)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      writeErr: (text) => io.err(text.trimEnd()),
    });

  program
    .command("test")
    .argument("<file...>", "ConnectivityTest files, folders or globs; - for standard input")
    .description("run ConnectivityTests on the model, the compiled ruleset, or the kernel with real packets")
    .addOption(
      new Option("--on <judge>", "who judges")
        .choices(["model", "ruleset", "kernel", "all"])
        .default("model"),
    )
    .option("--json", "one JSON object with every case")
    .option(
      "--context [name]",
      "ask a running cluster, by its kubeconfig context, instead of the manifests that the tests name",
    )
    .option("--probe", "with --context: ask its packets too; they and the model must agree")
    .addOption(output("json", "yaml"))
    .option("--junit <file>", "write JUnit XML too")
    .option("-v, --verbose", "tell cases that passed as well, with reasons")
    .addOption(excluded())
    .addOption(podCidr())
    .addOption(staged())
    .addOption(denyWith())
    .option("--keep-going", "test what could be read; what is broken fails closed")
    .addHelpText(
      "after",
      example(
        "tortie test policies/tests/*.yaml",
        "tortie test go-demo-2.yaml --on all          model, ruleset and kernel must agree",
        "tortie test tests/ --junit report.xml",
      ),
    )
    .action((files: string[], options: object) =>
      run(async () => (await import("./commands/test.ts")).runTest(io, files, options)),
    );

  withInput(program.command("explain"))
    .argument("<from>", "pod, namespace/pod, deploy/name, namespace/deploy/name, node/name, or an address")
    .argument("<to>", "the same, or svc/name, svc/namespace/name")
    .description("tell whether FROM can reach TO, and why")
    .option("-p, --port <port>", "a number, or a port's name on the destination")
    .option("--protocol <protocol>", "TCP, UDP, SCTP or ICMP", "TCP")
    .option("--all", "every tier, policy and rule that was asked, and what failed where one does not match")
    .option("-v, --verbose", "with --all: every rule, however many do not match")
    .option("--probe", "with --context: ask its packets too; they and the model must agree")
    .addOption(staged())
    .addOption(output("json", "yaml"))
    .addHelpText(
      "after",
      example(
        "tortie explain busybox deploy/go-demo-2-db --port 27017 -f manifests/",
        "tortie explain prod/web svc/prod/db --port 5432 -f .",
        "tortie explain 192.0.2.1 prod/web --port 443 -f . -o json",
        "tortie explain a/client b/server --protocol ICMP -f .",
        "tortie explain prod/web prod/db --port 5432 --all -f .",
        "tortie explain prod/web prod/db --port 5432 --context tortie-default --probe",
      ),
    )
    .action((from: string, to: string, options: Shared) =>
      run(async () => (await import("./commands/explain.ts")).runExplain(io, from, to, options)),
    );

  program
    .command("probe")
    .argument("<from>", "pod, namespace/pod, deploy/name, node/name, or an address")
    .argument("<to>", "the same, or svc/name, svc/namespace/name")
    .description(
      "ask a running cluster with real packets whether FROM can reach TO, and hold the model's word against it",
    )
    .option(
      "--context <name>",
      "a cluster of tortie up, by its kubeconfig context; the current one where left out",
    )
    .option("-n, --namespace <name>", "where names without a namespace are looked for", "default")
    .option("-p, --port <port>", "a number, or a port's name on the destination")
    .option("--protocol <protocol>", "TCP, UDP or ICMP", "TCP")
    .addOption(output("json", "yaml"))
    .addHelpText(
      "after",
      example(
        "tortie probe busybox deploy/go-demo-2-db --port 27017",
        "tortie probe networkdemo/demopod svc/networkdemo/interpoddemo --port 80",
        "tortie probe busybox go-demo-2-db --protocol ICMP --context tortie-lab",
      ),
    )
    .action((from: string, to: string, options: Shared) =>
      run(async () => (await import("./commands/probe.ts")).runProbe(io, from, to, options)),
    );

  withInput(program.command("matrix"))
    .description("the truth table: who reaches whom, workloads grouped")
    .option("-p, --port <port>", "a number, or a port's name", "80")
    .option("--protocol <protocol>", "TCP, UDP, SCTP or ICMP", "TCP")
    .option("--pods", "a row for each pod, not for each workload")
    .option("--probe", "with --context: send packets between all pods; they and the model must agree")
    .addOption(staged())
    .addOption(output("json", "yaml", "csv", "md"))
    .addHelpText(
      "after",
      example(
        "tortie matrix -f manifests/ --port 8080",
        "tortie matrix -f manifests/ --protocol ICMP",
        "tortie matrix -f manifests/ --port http -o csv > table.csv",
        "tortie matrix --context tortie-default --probe",
      ),
    )
    .action((options: Shared) =>
      run(async () => (await import("./commands/matrix.ts")).runMatrix(io, options)),
    );

  withInput(program.command("get"))
    .addArgument(kindArgument())
    .description("what was understood: policies in order with their subjects, pods with identities, issues")
    .addOption(staged())
    .addOption(output("json", "yaml", "wide"))
    .addHelpText(
      "after",
      example(
        "tortie get -f manifests/",
        "tortie get pods -f manifests/ -o wide",
        "tortie get policies -f manifests/ -o json",
      ),
    )
    .action((kind: string | undefined, options: Shared) =>
      run(async () => (await import("./commands/get.ts")).runGet(io, kind, options)),
    );

  withInput(program.command("lint"))
    .description("what is wrong in the input, and what is legal and yet hardly meant")
    .option("--strict", "status 1 where there is a warning")
    .addOption(output("json", "yaml"))
    .addHelpText("after", example("tortie lint -f manifests/", "tortie lint -f manifests/ --strict -o json"))
    .action((options: Shared) => run(async () => (await import("./commands/lint.ts")).runLint(io, options)));

  withInput(program.command("ruleset"))
    .argument("[node]", "a node's name; the first node where left out")
    .description("the nftables table that a node would have, as text for nft -f")
    .addOption(staged())
    .addOption(denyWith())
    .addHelpText(
      "after",
      example(
        "tortie ruleset -f manifests/",
        "tortie ruleset node2 -f manifests/ > node2.nft && nft --check -f node2.nft",
      ),
    )
    .action((node: string | undefined, options: Shared) =>
      run(async () => (await import("./commands/ruleset.ts")).runRuleset(io, node, options)),
    );

  program
    .command("demo")
    .argument("[name]", "which walkthrough", "go-demo-2")
    .description("play a walkthrough: manifests in, real packets out, step by step")
    .option("--list", "list the walkthroughs")
    .addOption(new Option("--on <judge>", "who judges beside the model").choices(["model", "kernel"]))
    .addOption(podCidr())
    .option("--manifests", "print the manifests that the walkthrough applies")
    .addHelpText("after", example("tortie demo", "tortie demo go-demo-2 --on model", "tortie demo --list"))
    .action((name: string, options: object) =>
      run(async () => (await import("./commands/demo.ts")).runDemo(io, name, options)),
    );

  program
    .command("learn")
    .argument("[name]", "which walkthrough; a list where left out")
    .description(
      "read a walkthrough and play it step by step, on a cluster of its own, with the real kubectl",
    )
    .option("-y, --yes", "do not wait between the steps")
    .option("--check", "play it and hold what is printed against the page")
    .option("--keep", "leave the cluster running at the end")
    .option("--page", "print the page")
    .addHelpText(
      "after",
      example("tortie learn", "tortie learn go-demo-2", "tortie learn networkdemo --check"),
    )
    .action((name: string | undefined, options: object) =>
      run(async () => (await import("./commands/learn.ts")).runLearn(io, name, options)),
    );

  program
    .command("doctor")
    .description("what this machine can do, and what is missing")
    .addOption(output("json", "yaml"))
    .option("--security", "what keeps pods of a cluster apart from this machine, and what does not hold here")
    .addHelpText("after", example("tortie doctor", "tortie doctor --security", "tortie doctor -o json"))
    .action((options: object) =>
      run(async () => (await import("./commands/doctor.ts")).runDoctor(io, options)),
    );

  addCluster(program, io, run);
  addCtl(program, io, run);
  addCompletion(program, io);

  try {
    await program.parseAsync(["node", "tortie", ...argv]);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    // Commander has told what is wrong with the arguments.
    return 2;
  }
  return status;
}

/** Named for help and completion; `get` itself takes the names that kubectl has for them as well. */
function kindArgument(): Argument {
  const argument = new Argument("[kind]", "all where left out");
  argument.argChoices = ["policies", "pods", "issues"];
  return argument;
}

function example(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}
