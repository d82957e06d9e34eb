/**
 * @module A walkthrough as a page: Markdown that a learner reads, whose console blocks are what is played.
 *
 * ```console
 * $ kubectl get pods                 a command, as it is typed in a shell
 * web   1/1   Running   0   …        what it prints; `…` stands for anything
 * $ kubectl run busybox --rm -ti --image=busybox sh
 * / # ping -c 1 $WEB                 typed at the command's own prompt; $NAMES are the shell's
 * 64 bytes from …
 * / # exit
 * ```
 */
export interface Command {
  readonly text: string;
  /** Lines before anything is typed, or all of them. */
  readonly expected: readonly string[];
  readonly typed: readonly { readonly text: string; readonly expected: readonly string[] }[];
  /** Where in the page, from 1. */
  readonly line: number;
}

export type Part =
  | { readonly kind: "prose"; readonly text: string }
  | { readonly kind: "command"; readonly command: Command };

export interface Page {
  readonly title: string;
  readonly parts: readonly Part[];
}

const SHELL = "$ ";
const PROMPT = "/ # ";

export function parsePage(text: string): Page {
  const lines = text.split("\n");
  const parts: Part[] = [];
  let title = "";
  let prose: string[] = [];
  const endProse = (): void => {
    const joined = prose.join("\n").trim();
    if (joined !== "") parts.push({ kind: "prose", text: joined });
    prose = [];
  };
  let place = 0;
  while (place < lines.length) {
    const line = lines[place] ?? "";
    if (line === "```console") {
      endProse();
      const end = lines.indexOf("```", place + 1);
      const block = lines.slice(place + 1, end < 0 ? undefined : end);
      for (const command of commandsOf(block, place + 2)) parts.push({ kind: "command", command });
      place = end < 0 ? lines.length : end + 1;
      continue;
    }
    if (title === "" && line.startsWith("# ")) title = line.slice(2);
    else prose.push(line);
    place++;
  }
  endProse();
  return { title, parts };
}

function commandsOf(block: readonly string[], firstLine: number): Command[] {
  const commands: {
    text: string;
    expected: string[];
    typed: { text: string; expected: string[] }[];
    line: number;
  }[] = [];
  let continues = false;
  for (const [index, line] of block.entries()) {
    const last = commands.at(-1);
    if (continues && last) {
      last.text += `\n${line}`;
      continues = line.endsWith("\\");
    } else if (line.startsWith(SHELL)) {
      commands.push({ text: line.slice(SHELL.length), expected: [], typed: [], line: firstLine + index });
      continues = line.endsWith("\\");
    } else if (last && line.startsWith(PROMPT))
      last.typed.push({ text: line.slice(PROMPT.length), expected: [] });
    else if (last && line.trim() !== "") (last.typed.at(-1) ?? last).expected.push(line);
  }
  return commands;
}

/** A page's line as a pattern: runs of blanks are alike, `…` is anything. */
function patternOf(expected: string): RegExp {
  const words = expected.trim().split(/\s+/);
  const escaped = words.map((word) =>
    word
      .split("…")
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
      .join(".*"),
  );
  return new RegExp(`^\\s*${escaped.join("\\s+")}\\s*$`);
}

/**
 * Holds what was printed against the page: every line of the page must be there, in order; other lines may stand between.
 * A line that begins with `not: ` must not be there.
 * @returns the first line that is missing, or is there and must not be
 */
export function missingLine(expected: readonly string[], printed: readonly string[]): string | undefined {
  let place = 0;
  for (const line of expected) {
    if (line.startsWith("not: ")) {
      const pattern = patternOf(line.slice("not: ".length));
      if (printed.some((one) => pattern.test(one))) return line;
      continue;
    }
    if (line.trim() === "…") continue;
    const pattern = patternOf(line);
    while (place < printed.length && !pattern.test(printed[place] ?? "")) place++;
    if (place >= printed.length) return line;
    place++;
  }
  return undefined;
}
