import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { nc } from "./nc.ts";

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address ? address.port : 0;
}

test("a program of nc -e ends when nobody listens to it any more", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "nc."));
  try {
    const port = await freePort();
    const over = path.join(folder, "over");
    const program = `cat /dev/zero; echo over > ${over}`;
    const ended = nc(["-l", "-s", "127.0.0.1", "-p", String(port), "-e", program]);
    await sleep(100);
    const socket = connect(port, "127.0.0.1");
    await once(socket, "data");
    socket.destroy();
    await ended;
    for (let tries = 0; tries < 30 && !existsSync(over); tries++) await sleep(100);
    expect(existsSync(over)).toBe(true);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
