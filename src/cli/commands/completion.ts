/** @module `tortie completion SHELL`: scripts for bash, zsh and fish, made from the commands themselves. */
import { Argument, type Command } from "commander";
import type { Io } from "../io.ts";

export function addCompletion(program: Command, io: Io): void {
  program
    .command("completion")
    .addArgument(new Argument("<shell>", "your shell").choices(["bash", "zsh", "fish"]))
    .description("print a completion script for your shell")
    .addHelpText(
      "after",
      "\nExamples:\n  source <(tortie completion bash)\n  tortie completion zsh > ~/.zfunc/_tortie\n  tortie completion fish > ~/.config/fish/completions/tortie.fish",
    )
    .action((shell: string) => io.out(SCRIPTS[shell]?.(program) ?? ""));
}

interface Words {
  readonly name: string;
  readonly summary: string;
  /** What the first argument may be, where that is a closed list. */
  readonly first: readonly string[];
  readonly options: readonly {
    readonly flag: string;
    readonly short?: string;
    readonly summary: string;
    readonly choices: readonly string[];
  }[];
}

function wordsOf(program: Command): Words[] {
  return program.commands.map((command) => ({
    name: command.name(),
    summary: command.description(),
    first: command.registeredArguments[0]?.argChoices ?? [],
    options: command.options.flatMap((option) =>
      option.long
        ? [
            {
              flag: option.long,
              ...(option.short !== undefined && { short: option.short }),
              summary: option.description,
              choices: option.argChoices ?? [],
            },
          ]
        : [],
    ),
  }));
}

const quote = (text: string): string => text.replace(/'/g, "'\\''");

function bashPatterns(command: string, { flag, short }: Words["options"][number]): string {
  return [flag, ...(short === undefined ? [] : [short])].map((word) => `"${command} ${word}"`).join("|");
}

function bash(program: Command): string {
  const commands = wordsOf(program);
  const cases = commands.map(
    ({ name, options }) => `    ${name}) words="${options.map(({ flag }) => flag).join(" ")} --help" ;;`,
  );
  const choices = commands.flatMap(({ name, options }) =>
    options
      .filter((option) => option.choices.length > 0)
      .map(
        (option) =>
          `    ${bashPatterns(name, option)}) COMPREPLY=($(compgen -W "${option.choices.join(" ")}" -- "$cur")); return ;;`,
      ),
  );
  const first = commands.flatMap(({ name, first: choices }) =>
    choices.length > 0
      ? [`      ${name}) COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$cur")); return ;;`]
      : [],
  );
  return `# bash completion for tortie
_tortie() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" command="\${COMP_WORDS[1]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(" ")} help --help --version" -- "$cur")); return
  fi
  case "$command $prev" in
${choices.join("\n")}
  esac
  case "$command" in
${cases.join("\n")}
  esac
  case "$cur" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$cur")); return ;;
  esac
  if [ "$COMP_CWORD" -eq 2 ]; then
    case "$command" in
${first.join("\n")}
      help) COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(" ")}" -- "$cur")); return ;;
    esac
  fi
  COMPREPLY=($(compgen -f -- "$cur"))
}
complete -o filenames -F _tortie tortie`;
}

function zsh(program: Command): string {
  const commands = wordsOf(program);
  const describe = commands.map(({ name, summary }) => `    '${name}:${quote(summary)}'`);
  const cases = commands.map(({ name, first, options }) => {
    const flags = options.map(({ flag, summary, choices }) => {
      const values = choices.length > 0 ? `:value:(${choices.join(" ")})` : "";
      return `'${flag}[${quote(summary).replace(/[[\]]/g, "")}]${values}'`;
    });
    const rest = first.length > 0 ? `'2:${name}:(${first.join(" ")})'` : "'*:file:_files'";
    return `    ${name}) _arguments ${[...flags, rest].join(" ")} ;;`;
  });
  return `#compdef tortie
_tortie() {
  local -a commands
  commands=(
${describe.join("\n")}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  case "$words[2]" in
${cases.join("\n")}
  esac
}
# Sourced, it registers itself; found in fpath, its first call is a completion.
if [ "$funcstack[1]" = "_tortie" ]; then _tortie "$@"; else compdef _tortie tortie; fi`;
}

function fish(program: Command): string {
  const lines = ["# fish completion for tortie"];
  for (const { name, summary, first, options } of wordsOf(program)) {
    lines.push(`complete -c tortie -n __fish_use_subcommand -a ${name} -d '${quote(summary)}'`);
    if (first.length > 0)
      lines.push(`complete -c tortie -n '__fish_seen_subcommand_from ${name}' -f -a '${first.join(" ")}'`);
    for (const { flag, short, summary: help, choices } of options) {
      const letter = short === undefined ? "" : ` -s ${short.slice(1)}`;
      const values = choices.length > 0 ? ` -x -a '${choices.join(" ")}'` : "";
      lines.push(
        `complete -c tortie -n '__fish_seen_subcommand_from ${name}' -l ${flag.slice(2)}${letter} -d '${quote(help)}'${values}`,
      );
    }
  }
  return lines.join("\n");
}

const SCRIPTS: Readonly<Record<string, (program: Command) => string>> = { bash, zsh, fish };
