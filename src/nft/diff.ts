/**
 * @module What leads from the table that a kernel has to the one that it should have: only what differs, so that a
 * restart drops no connection and a foreign hand's edit is mended where it was made.
 */
import { unreachable } from "../base/errors.ts";
import type { NftChain, NftChange, NftSet, NftTable } from "./table.ts";
import { TableEditor } from "./table-editor.ts";

/**
 * @param actual - as read back; undefined where there is no table
 * @param wanted - in the spelling of `actual` (see `canonicalTable` in linux)
 * @returns one transaction's steps; none when the tables are equal. What cannot change its shape in place (a set's type,
 *   a base chain's hook) replaces the whole table. Cost: the size of both tables
 */
export function diffTables(actual: NftTable | undefined, wanted: NftTable): NftChange[] {
  if (!actual)
    return [{ change: "create-table", table: wanted.name }, ...edits(new TableEditor(wanted.name), wanted)];
  if (shapesDiffer(actual, wanted)) {
    return [{ change: "delete-table", table: wanted.name }, ...diffTables(undefined, wanted)];
  }
  return edits(new TableEditor(wanted.name, actual), wanted);
}

function shapesDiffer(actual: NftTable, wanted: NftTable): boolean {
  const setDiffers = (set: NftSet): boolean => {
    const known = actual.sets.get(set.name);
    return known !== undefined && shapeOf(known) !== shapeOf(set);
  };
  const chainDiffers = (chain: NftChain): boolean => {
    const known = actual.chains.get(chain.name);
    return known !== undefined && hookText(known) !== hookText(chain);
  };
  return [...wanted.sets.values()].some(setDiffers) || [...wanted.chains.values()].some(chainDiffers);
}

function hookText({ hook }: NftChain): string {
  return hook ? `${hook.type} ${hook.hook} ${hook.priority} ${hook.policy}` : "";
}

function shapeOf(set: NftSet): string {
  return `${set.kind} ${set.key.join(" . ")} ${set.kind === "set" && set.interval}`;
}

function edits(editor: TableEditor, wanted: NftTable): NftChange[] {
  const { sets, chains } = editor.table;
  for (const set of wanted.sets.values()) {
    if (!sets.has(set.name)) editor.createSet(set.kind === "set" ? { ...set } : { ...set });
    for (const key of [...(sets.get(set.name)?.elements.keys() ?? [])]) {
      if (!set.elements.has(key)) editor.deleteElement(set.name, key);
    }
    if (set.kind === "set") for (const key of set.elements) editor.addElement(set.name, key);
    else for (const [key, verdict] of set.elements) editor.setVerdict(set.name, key, verdict);
  }
  for (const chain of wanted.chains.values()) editor.putChain(chain);
  for (const name of [...chains.keys()]) if (!wanted.chains.has(name)) editor.deleteChain(name);
  for (const name of [...sets.keys()]) if (!wanted.sets.has(name)) editor.deleteSet(name);
  return editor.commit();
}

/** What a list of changes touches, a few words a place, for people. */
export function changedPlaces(changes: readonly NftChange[]): string[] {
  return changes.map(placeOf);
}

function placeOf(change: NftChange): string {
  switch (change.change) {
    case "create-table":
    case "delete-table":
      return `table ${change.table}`;
    case "create-set":
      return `set ${change.set.name} is missing`;
    case "delete-set":
      return `set ${change.name} is too many`;
    case "add-elements":
      return `set ${change.set.name} lacks ${change.keys.length} elements`;
    case "delete-elements":
      return `set ${change.set.name} has ${change.keys.length} elements too many`;
    case "create-chain":
      return `chain ${change.chain.name} is missing`;
    case "replace-rules":
      return `chain ${change.chain.name} has other rules`;
    case "delete-chain":
      return `chain ${change.name} is too many`;
    default:
      return unreachable(change);
  }
}
