import { once } from "node:events";
import { closeSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { wayOf } from "../apiserver/connections.ts";
import { openHostSockets, ownersIn } from "./host-sockets.ts";

test("the kernel's table names the user of each connection, whenever it is read", async () => {
  const table = openHostSockets();
  if (table === undefined) throw new Error("there is no table");
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const clients: Socket[] = [];
  try {
    for (let round = 0; round < 2; round++) {
      const client = connect(port, "127.0.0.1");
      clients.push(client);
      await once(client, "connect");
      const owners = ownersIn(table);
      for (const { localPort = 0 } of clients)
        expect(owners.get(wayOf("127.0.0.1", localPort, "127.0.0.1", port))).toBe(process.getuid?.());
    }
  } finally {
    for (const client of clients) client.destroy();
    server.close();
    closeSync(table);
  }
});

test("where there is no table, nobody is known", () => {
  expect(ownersIn(-1).size).toBe(0);
});
