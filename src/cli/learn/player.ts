/** @module Plays the commands of a page in one shell's memory: what one sets, the next one has. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "./page.ts";

export interface Played {
  /** Lines printed before anything was typed. */
  readonly printed: readonly string[];
  /** Lines printed after each line that was typed. */
  readonly typed: readonly (readonly string[])[];
  readonly status: number;
}

export interface PlayerOptions {
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Told of output as it comes. */
  readonly show: (text: string) => void;
  /** Lines that are typed wait for a prompt so long; so long may a command take. */
  readonly patienceMs: number;
}

const LOOK_MS = 20;
/** Nothing more comes, when nothing has come for so long. */
const QUIET_MS = 300;

/** A shell's prompt at the end of what was printed. */
const AT_PROMPT = /(^|\n|\r)(\S* )?[#$] $/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals are written to with them
const CONTROL = /\u001b\[[0-9;?]*[A-Za-z]|\u001b\][^\u0007]*\u0007|\r/g;

export class Player {
  readonly #options: PlayerOptions;
  readonly #memory: string;

  constructor(options: PlayerOptions) {
    this.#options = options;
    this.#memory = mkdtempSync(path.join(tmpdir(), "tortie-learn."));
  }

  /** Rejects when it takes longer than there is patience. */
  async play(command: Command): Promise<Played> {
    return command.typed.length > 0 ? await this.#playTyped(command) : await this.#playPlain(command);
  }

  /** The command between reading and writing what the shell remembers. */
  #script(text: string): string {
    const file = path.join(this.#memory, "variables");
    return `set -a\n[ -f ${file} ] && . ${file} >/dev/null 2>&1\n${text}\nstatus=$?\nexport -p > ${file}\nexit $status\n`;
  }

  #start(words: readonly string[]): ChildProcess {
    const [program = "", ...rest] = words;
    return spawn(program, rest, {
      cwd: this.#options.folder,
      env: { ...process.env, ...this.#options.env, TERM: "dumb", COLUMNS: "200" },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
  }

  async #playPlain({ text }: Command): Promise<Played> {
    const child = this.#start(["bash", "-c", this.#script(text)]);
    child.stdin?.end();
    const output = this.#collect(child);
    const status = await this.#ended(child, text);
    return { printed: linesOf(output.text), typed: [], status };
  }

  async #playTyped(command: Command): Promise<Played> {
    const inner = command.text.replaceAll("'", `'\\''`);
    const child = this.#start(["bash", "-c", this.#script(`script -qec '${inner}' /dev/null`)]);
    const output = this.#collect(child);
    const typed: string[][] = [];
    let printed: string[] | undefined;
    for (const { text } of command.typed) {
      await this.#prompt(output, child, command.text);
      const before = linesOf(output.text);
      if (printed === undefined) printed = before;
      else typed.push(before);
      output.text = "";
      child.stdin?.write(`${await this.#expand(text)}\n`);
    }
    const status = await this.#ended(child, command.text);
    typed.push(linesOf(output.text));
    return { printed: printed ?? [], typed, status };
  }

  /** `$NAMES` are those of the shell outside: what is typed has their values. */
  async #expand(text: string): Promise<string> {
    if (!text.includes("$")) return text;
    const child = this.#start(["bash", "-c", this.#script(`printf %s "${text.replaceAll('"', '\\"')}"`)]);
    child.stdin?.end();
    let value = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      value += chunk.toString();
    });
    await this.#ended(child, text);
    return value;
  }

  #collect(child: ChildProcess): { text: string } {
    const output = { text: "" };
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        const text = chunk.toString().replace(CONTROL, "");
        output.text += text;
        this.#options.show(text);
      });
    }
    return output;
  }

  async #prompt(output: { readonly text: string }, child: ChildProcess, what: string): Promise<void> {
    const deadline = Date.now() + this.#options.patienceMs;
    let pressed = false;
    while (!AT_PROMPT.test(output.text)) {
      // kubectl attaches when the prompt has been written already, and says what to do then.
      if (!pressed && output.text.includes("try pressing enter")) {
        pressed = true;
        child.stdin?.write("\n");
      }
      if (child.exitCode !== null) return;
      if (Date.now() > deadline) {
        this.#kill(child);
        throw new Error(
          `${what}: no prompt came within ${this.#options.patienceMs / 1000} s; it printed:\n${output.text}`,
        );
      }
      await sleep(LOOK_MS);
    }
    // A shell that was there before the enter came prompts once more for it: what is typed by then would come in between.
    for (let before = ""; pressed && before !== output.text; ) {
      before = output.text;
      await sleep(QUIET_MS);
    }
  }

  #ended(child: ChildProcess, what: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#kill(child);
        reject(new Error(`${what}: did not end within ${this.#options.patienceMs / 1000} s`));
      }, this.#options.patienceMs);
      child.once("error", reject);
      child.once("close", (code) => {
        clearTimeout(timer);
        resolve(code ?? 1);
      });
    });
  }

  /** With all that it started. */
  #kill(child: ChildProcess): void {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // All of them have ended.
    }
  }

  close(): void {
    rmSync(this.#memory, { recursive: true, force: true });
  }
}

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line.trim() !== "");
}
