import { once } from "node:events";
import { createServer, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import type { Entry } from "../store/store.ts";
import { EVENTS } from "./resources/events.ts";
import { type Form, listPieces, sendPieces } from "./respond.ts";

const CELLS = { now: 0, enforcement: () => "" };
const FORMS: readonly Form[] = (["object", "table", "partial"] as const).map((kind) => ({
  kind,
  include: "Metadata",
  contentType: "application/json",
}));

function entryOf(number: number): Entry {
  const object = {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: `e${number}`, namespace: "default", uid: `${number}` },
    involvedObject: { kind: "Pod", name: "p" },
    message: `message ${number} `.padEnd(400, "x"),
  };
  return { key: `/e${number}`, value: JSON.stringify(object), created: number, modified: number };
}

async function served(
  answer: (response: ServerResponse) => Promise<void>,
  read: (port: number) => Promise<void>,
): Promise<void> {
  const server = createServer((_request, response) => void answer(response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await read((server.address() as AddressInfo).port);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test.each(FORMS)("a list as $kind is made as fast as it is read, and is whole", async (form) => {
  const entries = Array.from({ length: 40_000 }, (_, number) => entryOf(number));
  let made = 0;
  let most = 0;
  function* counted(): Generator<string> {
    for (const piece of listPieces(EVENTS, { entries, revision: 7 }, form, CELLS)) {
      made++;
      yield piece;
    }
  }
  let response: ServerResponse | undefined;
  await served(
    (answer) => {
      response = answer;
      return sendPieces(answer, counted());
    },
    async (port) => {
      const asked = request({ port, host: "127.0.0.1" }).end();
      const [answer] = (await once(asked, "response")) as [import("node:http").IncomingMessage];
      await sleep(200);
      // The kernel's buffers have some, we one piece more; nobody has read.
      const bytes = made * (JSON.stringify(entries[0]).length / 2);
      expect(made).toBeLessThan(entries.length);
      expect(response?.writableLength).toBeLessThan(256 * 1024);
      expect(bytes).toBeLessThan(16 * 1024 ** 2);
      let text = "";
      for await (const chunk of answer) {
        text += String(chunk);
        most = Math.max(most, response?.writableLength ?? 0);
      }
      const list = JSON.parse(text) as {
        metadata: { resourceVersion: string };
        items?: unknown[];
        rows?: unknown[];
      };
      expect(list.metadata.resourceVersion).toBe("7");
      expect((list.items ?? list.rows)?.length).toBe(entries.length);
    },
  );
  expect(most).toBeLessThan(256 * 1024);
});

test("a short list is sent with its length", async () => {
  const [form] = FORMS;
  if (!form) throw new Error("no form");
  await served(
    (response) =>
      sendPieces(response, listPieces(EVENTS, { entries: [entryOf(1)], revision: 7 }, form, CELLS)),
    async (port) => {
      const answer = await fetch(`http://127.0.0.1:${port}/`);
      expect(Number(answer.headers.get("content-length"))).toBe((await answer.text()).length);
    },
  );
});

test("nothing of a list is held after it: objects are in the store, and nowhere else", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const entries = Array.from({ length: 20_000 }, (_, number) => entryOf(number));
  const held = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const tell = (told: readonly Entry[]): void => {
    for (const form of FORMS)
      for (const piece of listPieces(EVENTS, { entries: told, revision: 7 }, form, CELLS)) void piece;
  };
  tell(Array.from({ length: 1000 }, (_, number) => entryOf(number)));
  const before = held();
  tell(entries);
  expect(held() - before).toBeLessThan(1024 ** 2);
  expect(entries).toHaveLength(20_000);
});
