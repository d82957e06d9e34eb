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
  readonly options: readonly {
    readonly flag: string;
    readonly summary: string;
    readonly choices: readonly string[];
  }[];
}

function wordsOf(program: Command): Words[] {
  return program.commands.map((command) => ({
    name: command.name(),
    summary: command.description(),
    options: command.options.flatMap((option) =>
      option.long
        ? [{ flag: option.long, summary: option.description, choices: option.argChoices ?? [] }]
        : [],
    ),
  }));
}

const quote = (text: string): string => text.replace(/'/g, "'\\''");

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
          `    "${name} ${option.flag}") COMPREPLY=($(compgen -W "${option.choices.join(" ")}" -- "$cur")); return ;;`,
      ),
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
    completion) words="bash zsh fish" ;;
  esac
  case "$cur" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
    *) COMPREPLY=($(compgen -f -- "$cur")) ;;
  esac
}
complete -o filenames -F _tortie tortie`;
}

function zsh(program: Command): string {
  const commands = wordsOf(program);
  const describe = commands.map(({ name, summary }) => `    '${name}:${quote(summary)}'`);
  const cases = commands.map(({ name, options }) => {
    const flags = options.map(({ flag, summary, choices }) => {
      const values = choices.length > 0 ? `:value:(${choices.join(" ")})` : "";
      return `'${flag}[${quote(summary).replace(/[[\]]/g, "")}]${values}'`;
    });
    return `    ${name}) _arguments ${flags.join(" ")} '*:file:_files' ;;`;
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
compdef _tortie tortie`;
}

function fish(program: Command): string {
  const lines = ["# fish completion for tortie"];
  for (const { name, summary, options } of wordsOf(program)) {
    lines.push(`complete -c tortie -n __fish_use_subcommand -a ${name} -d '${quote(summary)}'`);
    for (const { flag, summary: help, choices } of options) {
      const values = choices.length > 0 ? ` -x -a '${choices.join(" ")}'` : "";
      lines.push(
        `complete -c tortie -n '__fish_seen_subcommand_from ${name}' -l ${flag.slice(2)} -d '${quote(help)}'${values}`,
      );
    }
  }
  return lines.join("\n");
}

const SCRIPTS: Readonly<Record<string, (program: Command) => string>> = { bash, zsh, fish };
