/** @module `tortie learn`: walkthroughs that are read and played, on a cluster of their own, with the real kubectl. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline/promises";
import { fileURLToPath } from "node:url";
import { OpError } from "../../base/errors.ts";
import { readCredentials } from "../../cluster/credentials.ts";
import { addContext, kubeconfigOf } from "../../cluster/kubeconfig.ts";
import { launch } from "../../cluster/launch.ts";
import { layoutOf } from "../../cluster/layout.ts";
import { bringDown, deleteState } from "../../cluster/take-down.ts";
import { findKubectl } from "../cluster/kubectl.ts";
import type { Io } from "../io.ts";
import { type Command, missingLine, type Page, parsePage } from "../learn/page.ts";
import { Player } from "../learn/player.ts";
import { type Paint, paintFor } from "../paint.ts";
import { textTable } from "../table.ts";

export interface LearnOptions {
  readonly yes?: boolean;
  readonly check?: boolean;
  readonly keep?: boolean;
  readonly page?: boolean;
}

const PATIENCE_MS = 60_000;

export async function runLearn(io: Io, name: string | undefined, options: LearnOptions): Promise<number> {
  const pages = packageFolder("docs/learn");
  const names = readdirSync(pages)
    .filter((file) => file.endsWith(".md"))
    .map((file) => file.slice(0, -".md".length))
    .sort();
  if (name === undefined) {
    io.out(
      textTable(
        ["NAME", "WHAT"],
        names.map((one) => [one, readPage(pages, one).title]),
      ).join("\n"),
    );
    io.out("\nplay one with: tortie learn NAME");
    return 0;
  }
  if (!names.includes(name))
    throw new OpError(`there is no walkthrough ${name}; there are ${names.join(", ")}`, {
      code: "not-found",
    });
  if (options.page) {
    io.out(readFileSync(path.join(pages, `${name}.md`), "utf8").trimEnd());
    return 0;
  }
  return play(
    io,
    { page: readPage(pages, name), folder: path.join(packageFolder("examples"), name) },
    options,
  );
}

function readPage(folder: string, name: string): Page {
  return parsePage(readFileSync(path.join(folder, `${name}.md`), "utf8"));
}

/** Beside `dist/` once built, beside `src/` in the repository. */
function packageFolder(name: string): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const candidate = path.join(folder, name);
    if (existsSync(candidate) && existsSync(path.join(folder, "package.json"))) return candidate;
    const parent = path.dirname(folder);
    if (parent === folder)
      throw new OpError(`${name} is not where the package should have it`, { code: "not-found" });
    folder = parent;
  }
}

interface Walkthrough {
  readonly page: Page;
  readonly folder: string;
}

async function play(io: Io, { page, folder }: Walkthrough, options: LearnOptions): Promise<number> {
  const paint = paintFor(io);
  // Another one may be played at the same time.
  const layout = layoutOf(`learn-${process.pid}`);
  const home = mkdtempSync(path.join(tmpdir(), "tortie-learn-home."));
  const kubeconfig = path.join(home, "config");
  io.out(paint.bold(page.title));
  const { settings } = await launch({ layout, asked: { store: "memory" }, kubeconfig: false });
  const credentials = readCredentials(layout);
  if (credentials) addContext(kubeconfig, kubeconfigOf(layout.name, settings.port, credentials));
  mkdirSync(path.join(home, "bin"));
  symlinkSync(findKubectl(), path.join(home, "bin", "kubectl"));
  const player = new Player({
    folder: existsSync(folder) ? folder : home,
    env: {
      KUBECONFIG: kubeconfig,
      PATH: `${path.join(home, "bin")}:${process.env["PATH"] ?? ""}`,
      TORTIE_CONTEXT: `tortie-${layout.name}`,
    },
    show: (text) => {
      if (!options.check) process.stdout.write(paint.dim(text));
    },
    patienceMs: PATIENCE_MS,
  });
  try {
    return await playParts(io, { page, player, paint }, options);
  } finally {
    player.close();
    if (!options.keep) {
      await bringDown(layout);
      deleteState(layout);
      rmSync(home, { recursive: true, force: true });
    } else
      io.out(
        `the cluster goes on: export KUBECONFIG=${kubeconfig}; end it with: tortie reset --name ${layout.name}`,
      );
  }
}

async function playParts(
  io: Io,
  { page, player, paint }: { readonly page: Page; readonly player: Player; readonly paint: Paint },
  options: LearnOptions,
): Promise<number> {
  const asks = !options.yes && !options.check && process.stdin.isTTY === true;
  const questions = asks ? createInterface({ input: process.stdin, output: process.stderr }) : undefined;
  let failed = 0;
  try {
    for (const part of page.parts) {
      if (part.kind === "prose") {
        if (!options.check) io.out(`\n${part.text}\n`);
        continue;
      }
      const { command } = part;
      if (!options.check) io.out(paint.bold(`$ ${command.text}`));
      await questions?.question("");
      const problem = await hold(player, command);
      if (options.check)
        io.out(`${problem === undefined ? paint.good("✓") : paint.bad("✕")} ${command.text.split("\n")[0]}`);
      if (problem === undefined) continue;
      failed++;
      io.err(paint.bad(`line ${command.line}: ${problem}`));
    }
  } finally {
    questions?.close();
  }
  if (failed > 0) io.err(`${failed} of the commands did not do what the page says`);
  return failed > 0 ? 1 : 0;
}

/** @returns what is not as the page says */
async function hold(player: Player, command: Command): Promise<string | undefined> {
  const played = await player.play(command);
  const blocks = [
    { text: command.text, expected: command.expected, printed: played.printed },
    ...command.typed.map(({ text, expected }, place) => ({
      text,
      expected,
      printed: played.typed[place] ?? [],
    })),
  ];
  for (const { text, expected, printed } of blocks) {
    const missing = missingLine(expected, printed);
    if (missing !== undefined)
      return `${text}: the page says\n  ${missing}\nbut it printed\n${printed.map((line) => `  ${line}`).join("\n")}`;
  }
  return undefined;
}
