/** @module The golden files before nft itself, and the two ways into the kernel against each other. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { Netns } from "../../src/linux/netns.ts";
import { inNamespace } from "../../src/linux/netns.ts";
import { canonicalTable } from "../../src/linux/nft-canonical.ts";
import { NftDriver } from "../../src/linux/nft-driver.ts";
import { render } from "../../src/nft/render.ts";
import { type NftChange, type NftTable, TABLE_NAME } from "../../src/nft/table.ts";
import { GOLDENS } from "../support/goldens.ts";
import { kernelAvailable, withNetns } from "../support/kernel.ts";
import { plainTable } from "../support/replay.ts";

const FOLDER = fileURLToPath(new URL("../../src/nft/testdata", import.meta.url));
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith(".nft"));

function nft(ns: Netns, args: readonly string[], input = ""): string {
  const { status, stdout, stderr } = inNamespace(ns, () =>
    spawnSync("nft", [...args], { encoding: "utf8", input }),
  );
  return status === 0 ? stdout : `nft ${args.join(" ")}: status ${status}: ${stderr}`;
}

/** Elements of verdict maps come after the chains that they go to. */
function creation({ name, sets, chains }: NftTable): NftChange[] {
  return [
    { change: "create-table", table: name },
    ...[...chains.values()].map((chain): NftChange => ({ change: "create-chain", chain })),
    ...[...sets.values()].map((set): NftChange => ({ change: "create-set", set })),
    ...[...chains.values()].map((chain): NftChange => ({ change: "replace-rules", chain })),
  ];
}

async function inDriver<T>(body: (driver: NftDriver, ns: Netns) => T): Promise<T> {
  return withNetns((ns) => {
    const driver = new NftDriver(ns);
    try {
      return body(driver, ns);
    } finally {
      driver.close();
    }
  });
}

describe.skipIf(!kernelAvailable())("tables as text and as netlink", () => {
  test("every golden file belongs to a table, and every table has one", () => {
    expect(FILES.sort()).toEqual(GOLDENS.map(({ file }) => file).sort());
  });

  test.each(FILES)("nft accepts %s", async (file) => {
    expect(await withNetns((ns) => nft(ns, ["--check", "--file", path.join(FOLDER, file)]))).toBe("");
  });

  test.each(GOLDENS)("$file: nft's text and our messages make one and the same table", async ({ table }) => {
    const wanted = plainTable(canonicalTable(table));
    const [byText, listedByText] = await inDriver((driver, ns) => {
      expect(nft(ns, ["-f", "-"], render(table))).toBe("");
      return [driver.read(), nft(ns, ["--stateless", "list", "ruleset"])] as const;
    });
    const [byMessages, listedByMessages] = await inDriver((driver, ns) => {
      driver.apply(creation(table));
      return [driver.read(), nft(ns, ["--stateless", "list", "ruleset"])] as const;
    });
    expect(byMessages && plainTable(byMessages)).toEqual(wanted);
    expect(byText && plainTable(byText)).toEqual(wanted);
    // People look with nft: it must understand what we sent. Order is the order of creation, which differs.
    const lines = (text: string): string[] => text.split("\n").sort();
    expect(lines(listedByMessages)).toEqual(lines(listedByText));
  });

  test("a comment longer than nft takes, and one that it could not say, come out alike both ways", async () => {
    const rules = ["x".repeat(127), "y".repeat(200), 'a "b" \\ ü'].map((comment) => ({
      statements: [{ kind: "counter" as const }],
      comment,
    }));
    const table: NftTable = {
      name: TABLE_NAME,
      sets: new Map(),
      chains: new Map([["c", { name: "c", rules }]]),
    };
    const byText = await inDriver((driver, ns) => {
      expect(nft(ns, ["-f", "-"], render(table))).toBe("");
      return driver.read();
    });
    const byMessages = await inDriver((driver, ns) => {
      driver.apply(creation(table));
      // What nft lists, nft must take again.
      expect(nft(ns, ["--check", "--file", "-"], nft(ns, ["list", "ruleset"]))).toBe("");
      return driver.read();
    });
    expect(byMessages).toEqual(byText);
    expect(byMessages).toEqual(canonicalTable(table));
  });
});
