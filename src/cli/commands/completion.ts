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
  /** `matrix`, `ctl get`. */
  readonly name: string;
  readonly summary: string;
  /** What the first argument may be, where that is a closed list. */
  readonly first: readonly string[];
  /** Names of its own commands. */
  readonly inner: readonly string[];
  /** Whether its further arguments are names of resources of the kind that the first is. */
  readonly isAboutResources: boolean;
  readonly options: readonly {
    readonly flag: string;
    readonly short?: string;
    readonly summary: string;
    readonly choices: readonly string[];
  }[];
}

/** Words for options that take others too. */
const USUAL: Readonly<Record<string, readonly string[]>> = {
  "--protocol": ["TCP", "UDP", "SCTP", "ICMP"],
  "ctl get --output": ["ps", "wide", "yaml", "json", "name", "custom-columns="],
};

/** Commands and, after each, the commands in it. */
function wordsOf(program: Command, outer = ""): Words[] {
  return program.commands.flatMap((command): Words[] => {
    const name = outer === "" ? command.name() : `${outer} ${command.name()}`;
    const options = command.options.flatMap((option) =>
      option.long && !option.hidden
        ? [
            {
              flag: option.long,
              ...(option.short !== undefined && { short: option.short }),
              summary: option.description,
              choices: option.argChoices ?? USUAL[`${name} ${option.long}`] ?? USUAL[option.long] ?? [],
            },
          ]
        : [],
    );
    const first = command.registeredArguments[0];
    return [
      {
        name,
        summary: command.description(),
        first: first?.argChoices ?? [],
        inner: command.commands.map((inner) => inner.name()),
        isAboutResources: /^.?kind/.test(first?.name() ?? "") && outer !== "",
        options,
      },
      ...wordsOf(command, name),
    ];
  });
}

const quote = (text: string): string => text.replace(/'/g, "'\\''");

function bashPatterns(command: string, { flag, short }: Words["options"][number]): string {
  return [flag, ...(short === undefined ? [] : [short])].map((word) => `"${command} ${word}"`).join("|");
}

/**
 * What the shell runs for names of resources: those of the store that the line names. A name that is none is not passed
 * on: bash would expand what is in it.
 */
const NAMES = `tortie ctl get "$kind" -A -o name \${store:+--store "$store"} 2>/dev/null | sed -n 's|^[^/]*/\\([A-Za-z0-9._-]*\\)$|\\1|p'`;

function bash(program: Command): string {
  const commands = wordsOf(program);
  const outermost = commands.filter(({ name }) => !name.includes(" ")).map(({ name }) => name);
  const cases = commands.map(
    ({ name, options }) => `    "${name}") words="${options.map(({ flag }) => flag).join(" ")} --help" ;;`,
  );
  const choices = commands.flatMap(({ name, options }) =>
    options
      .filter((option) => option.choices.length > 0)
      .map(
        (option) =>
          `    ${bashPatterns(name, option)}) COMPREPLY=($(compgen -W "${option.choices.join(" ")}" -- "$cur")); return ;;`,
      ),
  );
  const first = commands.flatMap(({ name, first: own, inner }) =>
    own.length + inner.length > 0
      ? [`      "${name}") COMPREPLY=($(compgen -W "${[...own, ...inner].join(" ")}" -- "$cur")); return ;;`]
      : [],
  );
  const nested = commands.filter(({ inner }) => inner.length > 0).map(({ name }) => name);
  const named = commands.filter(({ isAboutResources }) => isAboutResources).map(({ name }) => `"${name}"`);
  return `# bash completion for tortie
_tortie() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" command="\${COMP_WORDS[1]}" at=2 words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${outermost.join(" ")} help --help --version" -- "$cur")); return
  fi
  case "$command" in
    ${nested.join("|")}) if [ "$COMP_CWORD" -gt 2 ]; then command="$command \${COMP_WORDS[2]}"; at=3; fi ;;
  esac
  case "$command $prev" in
${choices.join("\n")}
  esac
  case "$command" in
${cases.join("\n")}
  esac
  case "$cur" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$cur")); return ;;
  esac
  if [ "$COMP_CWORD" -eq "$at" ]; then
    case "$command" in
${first.join("\n")}
      help) COMPREPLY=($(compgen -W "${outermost.join(" ")}" -- "$cur")); return ;;
    esac
  fi
  case "$prev" in
    -*) ;;
    *) case "$command" in
      ${named.join("|")})
        local kind="\${COMP_WORDS[at]}" store="" i
        for ((i = at; i < COMP_CWORD; i++)); do [ "\${COMP_WORDS[i]}" = --store ] && store="\${COMP_WORDS[i+1]}"; done
        COMPREPLY=($(compgen -W "$(${NAMES})" -- "$cur")); return ;;
    esac ;;
  esac
  COMPREPLY=($(compgen -f -- "$cur"))
}
complete -o filenames -F _tortie tortie`;
}

function zsh(program: Command): string {
  const commands = wordsOf(program);
  const described = (outer: string): string[] =>
    commands
      .filter(({ name }) => name.startsWith(outer) && !name.slice(outer.length).includes(" "))
      .map(({ name, summary }) => `    '${name.slice(outer.length)}:${quote(summary)}'`);
  const cases = commands.map(({ name, first, inner, options, isAboutResources }) => {
    if (inner.length > 0)
      return `    "${name}") commands=(\n${described(`${name} `).join("\n")}\n    ); _describe command commands ;;`;
    const flags = options.map(({ flag, summary, choices }) => {
      const values = choices.length > 0 ? `:value:(${choices.join(" ")})` : "";
      return `'${flag}[${quote(summary).replace(/[[\]]/g, "")}]${values}'`;
    });
    const place = name.split(" ").length + 1;
    const files = isAboutResources ? "'*:name:_tortie_names'" : "'*:file:_files'";
    const rest = first.length > 0 ? `'${place}:${name}:(${first.join(" ")})'` : files;
    return `    "${name}") _arguments ${[...flags, rest, ...(isAboutResources ? [files] : [])].join(" ")} ;;`;
  });
  const nested = commands.filter(({ inner }) => inner.length > 0).map(({ name }) => name);
  return `#compdef tortie
_tortie_names() {
  local kind="$words[4]" store="" i
  for ((i = 4; i < CURRENT; i++)); do [ "$words[i]" = --store ] && store="$words[i+1]"; done
  compadd -- \${(f)"$(${NAMES})"}
}
_tortie() {
  local -a commands
  commands=(
${described("").join("\n")}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  local command="$words[2]"
  case "$command" in
    ${nested.join("|")}) if (( CURRENT > 3 )); then command="$command $words[3]"; fi ;;
  esac
  case "$command" in
${cases.join("\n")}
  esac
}
# Sourced, it registers itself; found in fpath, its first call is a completion.
if [ "$funcstack[1]" = "_tortie" ]; then _tortie "$@"; else compdef _tortie tortie; fi`;
}

function fish(program: Command): string {
  const lines = [
    "# fish completion for tortie",
    "function __tortie_names",
    "  set -l words (commandline -opc)",
    "  set -l store (string match -rg -- '--store[ =](\\S+)' \"$words\")",
    '  test -n "$store"; and set -lx TORTIE_STORE $store[1]',
    "  test (count $words) -ge 4; and tortie ctl get $words[4] -A -o name 2>/dev/null | string replace -r '.*/' ''",
    "end",
  ];
  for (const { name, summary, first, options, isAboutResources } of wordsOf(program)) {
    const [outer = "", inner] = name.split(" ");
    const own = inner === undefined ? outer : inner;
    const before =
      inner === undefined
        ? "__fish_use_subcommand"
        : `'__fish_seen_subcommand_from ${outer}; and test (count (commandline -opc)) -eq 2'`;
    const after =
      inner === undefined
        ? `'__fish_seen_subcommand_from ${outer}'`
        : `'__fish_seen_subcommand_from ${outer}; and __fish_seen_subcommand_from ${inner}'`;
    lines.push(`complete -c tortie -n ${before} -a ${own} -d '${quote(summary)}'`);
    if (first.length > 0) lines.push(`complete -c tortie -n ${after} -f -a '${first.join(" ")}'`);
    if (isAboutResources) lines.push(`complete -c tortie -n ${after} -f -a '(__tortie_names)'`);
    for (const { flag, short, summary: help, choices } of options) {
      const letter = short === undefined ? "" : ` -s ${short.slice(1)}`;
      const values = choices.length > 0 ? ` -x -a '${choices.join(" ")}'` : "";
      lines.push(`complete -c tortie -n ${after} -l ${flag.slice(2)}${letter} -d '${quote(help)}'${values}`);
    }
  }
  return lines.join("\n");
}

const SCRIPTS: Readonly<Record<string, (program: Command) => string>> = { bash, zsh, fish };
