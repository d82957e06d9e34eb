import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { type Endpoint, EtcdStore, parseEtcdAddress } from "./etcd-store.ts";
import type { StoreEvent, WatchSink } from "./store.ts";

describe("an address of etcd", () => {
  it.each([
    ["etcd://a", [{ host: "a", port: 2379 }], "/tortie"],
    [
      "etcd://a:1,b:2/x/y/",
      [
        { host: "a", port: 1 },
        { host: "b", port: 2 },
      ],
      "/x/y",
    ],
    ["etcd://[::1]:2379/x", [{ host: "::1", port: 2379 }], "/x"],
    ["etcd+unix:///run/etcd.sock", [{ socketPath: "/run/etcd.sock" }], "/tortie"],
    ["etcd+unix:///run/localhost:2379/x", [{ socketPath: "/run/localhost:2379" }], "/x"],
    ["etcd+unix:///run/etcd.sock/x", [{ socketPath: "/run/etcd.sock" }], "/x"],
  ])("%s", (text, endpoints, prefix) => {
    expect(parseEtcdAddress(text)).toEqual({ endpoints, prefix });
  });

  it.each(["etcd://", "etcd:///x", "http://a:1", "etcd+unix://relative", "etcd://user@a"])(
    "%s is none",
    (text) => {
      expect(() => parseEtcdAddress(text)).toThrow("is no address of etcd");
    },
  );
});

const base64 = (words: string): string => Buffer.from(words).toString("base64");

/** What a test needs of a member: it says what it is told to, or nothing. */
class FakeMember {
  readonly #server = createServer((request, response) => {
    void text(request).then(() => this.#answer(request.url ?? "", response));
  });
  readonly #watches: ServerResponse[] = [];
  isSilent = false;

  static async start(): Promise<FakeMember> {
    const member = new FakeMember();
    await new Promise<void>((resolve) => member.#server.listen(0, "127.0.0.1", resolve));
    members.push(member);
    return member;
  }

  get endpoint(): Endpoint {
    return { host: "127.0.0.1", port: (this.#server.address() as AddressInfo).port };
  }

  get watches(): number {
    return this.#watches.filter(({ destroyed }) => !destroyed).length;
  }

  #answer(url: string, response: ServerResponse): void {
    if (this.isSilent) return;
    if (url === "/v3/watch") {
      this.#watches.push(response);
      response.write(`${JSON.stringify({ result: { created: true } })}\n`);
    } else response.end(JSON.stringify({ header: { revision: "5" } }));
  }

  tell(...events: readonly object[]): void {
    for (const watch of this.#watches) watch.write(`${JSON.stringify({ result: { events } })}\n`);
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

const members: FakeMember[] = [];
const stores: EtcdStore[] = [];
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  for (const member of members.splice(0)) member.stop();
});

async function open(...of: readonly FakeMember[]): Promise<EtcdStore> {
  const address = { endpoints: of.map(({ endpoint }) => endpoint), prefix: "/t" };
  const store = await EtcdStore.open(address, { silenceMs: 150 });
  stores.push(store);
  return store;
}

const kv = (key: string, revision: number, value = "{}"): object => ({
  key: base64(`/t${key}`),
  value: base64(value),
  create_revision: String(revision),
  mod_revision: String(revision),
});

function recorder(): WatchSink & { readonly heard: StoreEvent[]; readonly failures: Error[] } {
  const heard: StoreEvent[] = [];
  const failures: Error[] = [];
  return {
    heard,
    failures,
    events: (events) => heard.push(...events),
    failed: (error) => failures.push(error),
  };
}

describe("etcd's members on bad days", () => {
  it("a deletion whose last value is compacted says whose it was", async () => {
    const member = await FakeMember.start();
    const store = await open(member);
    const sink = recorder();
    store.watch("/registry/", undefined, sink);
    await expect.poll(() => member.watches).toBe(1);
    member.tell(
      { type: "DELETE", kv: kv("/registry/core/pods/shop/web", 6) },
      { type: "DELETE", kv: kv("/registry/core/nodes/a", 7) },
    );
    await expect.poll(() => sink.heard.length).toBe(2);
    expect(sink.heard.map(({ before }) => JSON.parse(before?.value ?? "") as unknown)).toEqual([
      { metadata: { name: "web", namespace: "shop" } },
      { metadata: { name: "a" } },
    ]);
  });

  it("a member that does not answer is left", async () => {
    const [silent, member] = [await FakeMember.start(), await FakeMember.start()];
    silent.isSilent = true;
    const store = await open(silent, member);
    expect(await store.revision()).toBe(5);
  });

  it("a watch leaves a member that is cut off, and goes on at another", async () => {
    const [first, second] = [await FakeMember.start(), await FakeMember.start()];
    const store = await open(first, second);
    const sink = recorder();
    store.watch("/", undefined, sink);
    await expect.poll(() => first.watches).toBe(1);
    first.isSilent = true;
    await expect.poll(() => second.watches, { timeout: 3000 }).toBe(1);
    second.tell({ kv: kv("/a", 6) });
    await expect.poll(() => sink.heard.length).toBe(1);
    expect(sink.failures).toEqual([]);
  });
});
