/**
 * @module Who has the connections on the machine's own loopback. The control plane is in a network of the cluster's own and
 * does not see that one; a file of /proc that was opened outside goes on telling of where it was opened.
 */
import { openSync, readSync } from "node:fs";
import { wayOf } from "../apiserver/connections.ts";

const TABLE = "/proc/self/net/tcp";
const BLOCK_BYTES = 256 * 1024;

/** To be opened outside of the cluster's namespaces. @returns undefined where there is no such file */
export function openHostSockets(): number | undefined {
  try {
    return openSync(TABLE, "r");
  } catch {
    return undefined;
  }
}

/** Users by the way of their connection, from a client's end to a server's, as the table has it now. */
export function ownersIn(descriptor: number): ReadonlyMap<string, number> {
  const owners = new Map<string, number>();
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  let rest = "";
  try {
    for (let position = 0; ; ) {
      const read = readSync(descriptor, block, 0, block.length, position);
      if (read === 0) break;
      position += read;
      const lines = (rest + block.toString("latin1", 0, read)).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) addOwner(owners, line);
    }
  } catch {
    // Nobody is known then, and all are one.
  }
  return owners;
}

/** `  0: 0100007F:9C40 0100007F:192B 01 00000000:00000000 00:00000000 00000000  1000 …` */
function addOwner(owners: Map<string, number>, line: string): void {
  const words = line.trim().split(/\s+/);
  const [local, remote, uid] = [endOf(words[1]), endOf(words[2]), Number(words[7])];
  if (!local || !remote || !Number.isInteger(uid)) return;
  owners.set(wayOf(local.address, local.port, remote.address, remote.port), uid);
}

/** Addresses are numbers of the machine's byte order. */
function endOf(text: string | undefined): { readonly address: string; readonly port: number } | undefined {
  const [, address, port] = /^([0-9A-F]{8}):([0-9A-F]{4})$/.exec(text ?? "") ?? [];
  if (address === undefined || port === undefined) return undefined;
  const bytes = new Uint8Array(Uint32Array.of(Number.parseInt(address, 16)).buffer);
  return { address: bytes.join("."), port: Number.parseInt(port, 16) };
}
