/**
 * @module The fallback for {@link NftDriver}: the same changes as text, through the program `nft`. Slower (7 to 50 ms a
 * change), and independent of our encoder, which makes it a judge of it.
 */
import { spawnSync } from "node:child_process";
import { OpError } from "../base/errors.ts";
import type { NftChange } from "../nft/table.ts";
import type { Netns } from "./netns.ts";
import { inNamespace } from "./netns.ts";
import type { NftApplier } from "./nft-driver.ts";

export class NftProgram implements NftApplier {
  readonly #ns: Netns;
  readonly #render: (changes: readonly NftChange[]) => string;

  /** @param render - changes as text that `nft -f -` reads */
  constructor(ns: Netns, render: (changes: readonly NftChange[]) => string) {
    this.#ns = ns;
    this.#render = render;
  }

  apply(changes: readonly NftChange[]): void {
    if (changes.length > 0) this.load(this.#render(changes));
  }

  /** @throws OpError `nft-refused` with what nft said, `kernel-unavailable` when there is no nft */
  load(input: string): void {
    const result = inNamespace(this.#ns, () => spawnSync("nft", ["-f", "-"], { input, encoding: "utf8" }));
    if (result.error)
      throw new OpError("cannot run nft", { code: "kernel-unavailable", cause: result.error });
    if (result.status === 0) return;
    const [line = ""] = result.stderr.split("\n");
    throw new OpError(`nft refused the change: ${line}`, {
      code: "nft-refused",
      facts: { status: result.status ?? undefined },
    });
  }
}
