/** @module `tortie ctl`: the subcommands that calicoctl's users know, over a folder of manifests. */
import { Argument, type Command, Option } from "commander";
import { KINDS } from "../ctl/kinds.ts";
import type { Io } from "../io.ts";
import { collect, excluded } from "./shared-options.ts";

type Run = (work: () => Promise<number>) => Promise<void>;

/** @param run - takes the exit status of a subcommand */
export function addCtl(program: Command, io: Io, run: Run): void {
  const ctl = program
    .command("ctl")
    .description("get, apply, patch, validate and convert policies in a folder, with calicoctl's words")
    // Kinds are many; `get --help` lists them with their short names.
    .configureHelp({ showGlobalOptions: false, argumentDescription: ({ description }) => description })
    .showHelpAfterError("(tortie ctl help VERB tells more)")
    .addHelpText(
      "after",
      example(
        "tortie ctl get gnp -o wide --store manifests/",
        "tortie ctl apply -f new-policy.yaml --store manifests/",
        "tortie ctl validate --store manifests/",
        "tortie ctl convert -f kubernetes-policies/ > calico.yaml",
      ),
    );
  addGet(ctl, io, run);
  addWriters(ctl, io, run);
  addChangers(ctl, io, run);
  addValidate(ctl, io, run);
  addConvert(ctl, io, run);
}

function addGet(ctl: Command, io: Io, run: Run): void {
  withStore(withFiles(ctl.command("get").addArgument(kindArgument("[kind]"))))
    .argument("[name...]", "which of them; all where left out")
    .description("show resources by kind and name, or those that a file names as the store has them")
    .addOption(
      new Option("-o, --output <format>", "ps, wide, yaml, json, name, or custom-columns=NAME,…").default(
        "ps",
      ),
    )
    .option("-n, --namespace <name>", "namespace of what is shown: default where left out")
    .option("-A, --all-namespaces", "of all namespaces")
    .addOption(new Option("-a").hideHelp())
    .option("--export", "leave out what only means something in its cluster")
    .addHelpText(
      "after",
      example(
        "tortie ctl get gnp -o wide --store manifests/",
        "tortie ctl get networkpolicy web -n shop -o yaml",
        "tortie ctl get knp -A -o custom-columns=NAMESPACE,NAME,PODSELECTOR",
        "tortie ctl get gnp -o custom-columns=NAME:.metadata.name,ACTIONS:.spec.ingress[*].action",
        "tortie ctl get all -A",
        "tortie ctl get -f policy.yaml",
      ) + kindHelp(),
    )
    .action((kind: string | undefined, names: string[], { a, ...options }: { a?: boolean } & GetFlags) =>
      run(async () => {
        const words = kind === undefined ? [] : [kind, ...names];
        const { runGet } = await import("../ctl/get.ts");
        return runGet(io, words, a ? { ...options, allNamespaces: true } : options);
      }),
    );
}

interface GetFlags {
  readonly filename: string[];
  readonly store: string;
}

function addWriters(ctl: Command, io: Io, run: Run): void {
  const summaries = {
    apply: "create or update resources from files",
    create: "create resources from files; what exists already is an error",
    replace: "update resources from files; what does not exist is an error",
  } as const;
  for (const verb of ["apply", "create", "replace"] as const) {
    const command = withResult(withStore(withFiles(ctl.command(verb)))).description(summaries[verb]);
    if (verb === "create") command.option("--skip-exists", "pass over resources that exist already");
    command
      .addHelpText(
        "after",
        example(
          `tortie ctl ${verb} -f policy.yaml --store manifests/`,
          `tortie ctl ${verb} -R -f incoming/ --store manifests/ --dry-run`,
          `cat policy.yaml | tortie ctl ${verb} -f - --store manifests/ -o json`,
        ),
      )
      .action((options: GetFlags) =>
        run(async () => (await import("../ctl/write.ts")).runWrite(io, verb, options)),
      );
  }
  withResult(withStore(withFiles(ctl.command("delete").addArgument(kindArgument("[kind]")))))
    .argument("[name...]", "which of them")
    .description("delete resources by kind and name, or those that a file names")
    .option("-s, --skip-not-exists", "pass over resources that do not exist")
    .addHelpText(
      "after",
      example(
        "tortie ctl delete gnp deny-all --store manifests/",
        "tortie ctl delete networkpolicy web api -n shop",
        "tortie ctl delete -f policy.yaml --store manifests/ --skip-not-exists",
      ),
    )
    .action((kind: string | undefined, names: string[], options: GetFlags) =>
      run(async () => {
        const { runDelete } = await import("../ctl/write.ts");
        return runDelete(io, kind === undefined ? [] : [kind, ...names], options);
      }),
    );
}

function addChangers(ctl: Command, io: Io, run: Run): void {
  withResult(withStore(ctl.command("patch").addArgument(kindArgument("<kind>"))))
    .argument("[name]", "its name, unless the kind carries it: gnp/deny-all")
    .description("change one resource in its file, by a patch")
    .requiredOption("-p, --patch <patch>", "the patch, JSON or YAML")
    .addOption(
      new Option(
        "-t, --type <type>",
        "strategic and merge put a part into place, json takes a list of operations",
      )
        .choices(["strategic", "json", "merge"])
        .default("strategic"),
    )
    .addHelpText(
      "after",
      example(
        'tortie ctl patch gnp deny-all -p \'{"spec": {"order": 10}}\' --store manifests/',
        'tortie ctl patch np web -n shop -t json -p \'[{"op": "remove", "path": "/spec/egress/0"}]\'',
        "tortie ctl patch hep node1-eth0 -t merge -p 'metadata: {labels: {zone: null}}'",
      ),
    )
    .action((kind: string, name: string | undefined, options: GetFlags & { patch: string; type: "merge" }) =>
      run(async () => {
        const { runPatch } = await import("../ctl/patch.ts");
        return runPatch(io, name === undefined ? [kind] : [kind, name], options);
      }),
    );
  withResult(withStore(ctl.command("label").addArgument(kindArgument("<kind>"))))
    .argument("<name-and-labels...>", "its name, then key=value, or key with --remove")
    .description("set or remove labels of one resource in its file")
    .option("--overwrite", "set labels that are there with another value")
    .option("--remove", "remove the labels named")
    .addHelpText(
      "after",
      example(
        "tortie ctl label hep node1-eth0 zone=dmz --store manifests/",
        "tortie ctl label pod web -n shop app=web --overwrite",
        "tortie ctl label networkset partners reviewed --remove",
      ),
    )
    .action((kind: string, rest: string[], options: GetFlags) =>
      run(async () => (await import("../ctl/patch.ts")).runLabel(io, [kind, ...rest], options)),
    );
}

function addValidate(ctl: Command, io: Io, run: Run): void {
  withStore(withFiles(ctl.command("validate")))
    .description("say what is wrong, what each policy selects, and what it changes")
    .option("-n, --namespace <name>", "namespace of resources in the files that name none")
    .addOption(structuredOutput())
    .option("--strict", "exit 1 when there are warnings")
    .addHelpText(
      "after",
      example(
        "tortie ctl validate --store manifests/",
        "tortie ctl validate -f new-policy.yaml --store manifests/     as if it were applied",
        "tortie ctl validate --store manifests/ --strict -o json",
      ),
    )
    .action((options: GetFlags) =>
      run(async () => (await import("../ctl/validate.ts")).runValidate(io, options)),
    );
}

function addConvert(ctl: Command, io: Io, run: Run): void {
  withFiles(ctl.command("convert"))
    .addOption(excluded())
    .description("rewrite stored Calico, Kubernetes and AdminNetworkPolicy objects in today's APIs")
    .addOption(structuredOutput().default("yaml"))
    .addHelpText(
      "after",
      example(
        "tortie ctl convert -f crd-export.yaml           crd.projectcalico.org/v1 to projectcalico.org/v3",
        "tortie ctl convert -f networkpolicy.yaml        Kubernetes' NetworkPolicy to Calico's",
        "tortie ctl convert -f admin/ -o json            AdminNetworkPolicy to ClusterNetworkPolicy",
      ),
    )
    .action((options: GetFlags & { output: "json" | "yaml" }) =>
      run(async () => (await import("../ctl/convert.ts")).runConvert(io, options)),
    );
}

function withFiles(command: Command): Command {
  return command
    .addOption(
      new Option("-f, --filename <path>", "a file or folder, or - for standard input (repeatable)")
        .argParser(collect)
        .default([], "none"),
    )
    .option("-R, --recursive", "with the folders in a folder")
    .option("--skip-empty", "no error where files hold no resources");
}

function withStore(command: Command): Command {
  return command
    .addOption(
      new Option("--store <folder>", "the folder of manifests that resources are kept in")
        .env("TORTIE_STORE")
        .default("."),
    )
    .addOption(excluded());
}

function withResult(command: Command): Command {
  return command
    .option("-n, --namespace <name>", "namespace of resources that name none: default where left out")
    .option("--dry-run", "do everything but the writing")
    .addOption(structuredOutput());
}

function structuredOutput(): Option {
  return new Option("-o, --output <format>", "output format").choices(["json", "yaml"]);
}

/** Named for help and completion; case does not count, and plurals and short names are kinds as well. */
function kindArgument(name: string): Argument {
  const argument = new Argument(name, "a kind, its plural or short name (see tortie ctl get --help)");
  argument.argChoices = [...KINDS.map(({ words: [singular] }) => singular), "all"];
  return argument;
}

function kindHelp(): string {
  const lines = KINDS.map(
    ({ words: [singular, plural, ...short] }) => `  ${[singular, plural, ...short].join(", ")}`,
  );
  return `\n\nKinds (case does not count; networkpolicy is Calico's, kubernetesnetworkpolicy Kubernetes'):\n${lines.join("\n")}`;
}

function example(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}
