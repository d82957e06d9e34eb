/** @module The API server over HTTP: requests that it hands on to pods, and to the pods of Services. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OpError } from "../../src/base/errors.ts";
import type { HttpClient } from "../../src/client/http-client.ts";
import { createAuthority, sign } from "../../src/cluster/certificates.ts";
import { type StreamServer, serveStreams } from "../../src/kubelet/streams/server.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { AS_ADMIN, startTestControlPlane, type TestControlPlane } from "../support/control-plane.ts";

const folder = mkdtempSync(path.join(tmpdir(), "tortie-proxy."));
const socketPath = path.join(folder, "kubelet.sock");
let api: TestControlPlane;
let admin: HttpClient;
let kubelet: StreamServer;
let web: Server;
let secure: Server;

const smuggled: string[] = [];

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Answers with what it was asked. @param keys - speaks TLS, vouched for by nobody that is known */
function startWeb(keys?: { readonly certificate: string; readonly key: string }): Promise<Server> {
  const answer: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method, url, headers } = request;
      if (url === "/away") response.writeHead(302, { location: "/login?next=1" }).end();
      else if (url === "/long") response.end("x".repeat(3_000_000));
      else if (url === "/cut") {
        response.writeHead(200, { "content-length": "10" }).write("x");
        setTimeout(() => response.destroy(), 50);
      } else {
        response.writeHead(url === "/teapot" ? 418 : 200, { "x-answer": "web", connection: "keep-alive" });
        response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString() }));
      }
    });
  };
  const server = keys
    ? createTlsServer({ cert: keys.certificate, key: keys.key }, answer)
    : createServer(answer);
  server.on("upgrade", ({ url, headers }, socket, head) => {
    socket.on("error", () => socket.destroy());
    if (url === "/no") {
      // A server that knows no upgrades answers, and takes the next request.
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno`);
      socket.on("data", (chunk: Buffer) => smuggled.push(chunk.toString()));
      return;
    }
    if (url === "/protocols") {
      socket.end(`HTTP/1.1 200 OK\r\n\r\n${headers["sec-websocket-protocol"] ?? "-"}`);
      return;
    }
    socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n");
    socket.write(`${url} ${headers.host} ${headers.authorization ?? "-"} ${head.toString()}`);
    socket.pipe(socket);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

beforeAll(async () => {
  web = await startWeb();
  const authority = await createAuthority("nobody");
  secure = await startWeb(await sign(authority, { commonName: "web", use: "server" }));
  const portOf: Record<number, number> = {};
  for (const [wanted, server] of [
    [80, web],
    [443, secure],
  ] as const)
    portOf[wanted] = (server.address() as AddressInfo).port;
  // Ports 80 and 443 of every pod but the broken one are the servers; there is nothing else.
  const runtime = {
    connect: async (sandbox: { name: string }, wanted: number) => {
      const port = portOf[wanted];
      if (port !== undefined && sandbox.name !== "broken") return connect(port, "127.0.0.1");
      const cause = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
      throw new OpError("cannot connect", { code: "api-unreachable", cause });
    },
  };
  const host = {
    sandbox: (namespace: string, name: string) =>
      name === "unknown" ? undefined : { uid: `uid-${name}`, namespace, name },
    container: () => undefined,
  };
  kubelet = await serveStreams({
    socketPath,
    host: host as never,
    runtime: runtime as never,
    log: () => undefined,
  });
  api = await startTestControlPlane(new MemoryStore(), (node) => (node === "node1" ? socketPath : undefined));
  admin = api.client("admin");
  for (const name of ["web", "broken", "unknown"]) await run(name);
  await admin.raw("POST", "/api/v1/namespaces/default/pods", podOf("waiting"));
  await service("web", [
    { name: "http", port: 8080, targetPort: 80 },
    { name: "odd", port: 81, targetPort: 81 },
  ]);
  await slice(
    "web",
    [
      { name: "http", port: 80 },
      { name: "odd", port: 81 },
    ],
    [
      {
        addresses: ["192.168.0.8"],
        conditions: { ready: false },
        targetRef: { kind: "Pod", name: "broken" },
      },
      { addresses: ["192.168.0.7"], conditions: { ready: true }, targetRef: { kind: "Pod", name: "web" } },
    ],
  );
  await service("plain", [{ port: 80 }]);
  await slice(
    "plain",
    [{ name: "", port: 80 }],
    [{ addresses: ["192.168.0.7"], targetRef: { kind: "Pod", name: "web" } }],
  );
  await service("empty", [{ name: "http", port: 80 }]);
  await service("outside", [{ name: "http", port: 80 }]);
  await slice("outside", [{ name: "http", port: 80 }], [{ addresses: ["203.0.113.1"] }]);
});
afterAll(async () => {
  await api.close();
  await kubelet.close();
  for (const server of [web, secure]) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(folder, { recursive: true });
});

const podOf = (name: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name },
  spec: { containers: [{ name: "c", image: "nginx", ports: [{ containerPort: 80 }] }] },
});

async function run(name: string): Promise<void> {
  const made = (await admin.raw("POST", "/api/v1/namespaces/default/pods", {
    ...podOf(name),
    spec: { ...podOf(name).spec, nodeName: "node1" },
  })) as object;
  await admin.raw("PUT", `/api/v1/namespaces/default/pods/${name}/status`, {
    ...made,
    status: { phase: "Running", podIP: "192.168.0.7" },
  });
}
const service = (name: string, ports: object[]) =>
  admin.raw("POST", "/api/v1/namespaces/default/services", {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name },
    spec: { ports },
  });
const slice = (name: string, ports: object[], endpoints: object[]) =>
  admin.raw("POST", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: `${name}-1`, labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    ports,
    endpoints,
  });

const ask = (
  place: string,
  more: { method?: string; body?: string; headers?: Record<string, string> } = {},
) =>
  api.raw({
    path: `/api/v1/namespaces/default/${place}`,
    ...more,
    headers: { ...AS_ADMIN, ...more.headers },
  });
const seenBy = async (...asked: Parameters<typeof ask>): Promise<Seen> => {
  const { code, text } = await ask(...asked);
  expect([code, text]).toEqual([200, expect.stringContaining("{")]);
  return JSON.parse(text) as Seen;
};

describe("a request", () => {
  test.each([
    ["pods/web/proxy/", "/"],
    ["pods/web:80/proxy/a/b%2Fc/?x=1&watch=1", "/a/b%2Fc/?x=1&watch=1"],
    ["pods/http:web:80/proxy/a//b", "/a//b"],
    ["services/web:8080/proxy/", "/"],
    ["services/web:http/proxy/x", "/x"],
    ["services/plain/proxy/x", "/x"],
    ["pods/https:web:443/proxy/x", "/x"],
  ])("to %s is one for %s in the pod", async (place, url) => {
    expect(await seenBy(place)).toMatchObject({ method: "GET", url });
  });

  test.each(["POST", "PUT", "PATCH", "DELETE"])("keeps its method and its body: %s", async (method) => {
    const length = method === "DELETE" ? { "transfer-encoding": "chunked" } : {};
    const asked = { method, body: "a body", headers: { "content-type": "text/plain", ...length } };
    expect(await seenBy("pods/web/proxy/x", asked)).toMatchObject({
      method,
      body: "a body",
      headers: { "content-type": "text/plain", host: "192.168.0.7:80" },
    });
  });

  test("says nothing of who is known to the API", async () => {
    const headers = { "impersonate-user": "admin", "impersonate-group": "system:masters", "x-mine": "1" };
    const seen = await seenBy("pods/web/proxy/", { headers });
    expect(Object.keys(seen.headers).filter((name) => /authorization|impersonate/.test(name))).toEqual([]);
    expect(seen.headers["x-mine"]).toBe("1");
  });

  test("has the answer of the pod, whatever it is", async () => {
    const answer = await ask("pods/web/proxy/teapot");
    expect([answer.code, answer.headers["x-answer"]]).toEqual([418, "web"]);
    expect((await ask("services/plain/proxy/long")).text).toHaveLength(3_000_000);
    const head = await ask("pods/web/proxy/", { method: "HEAD" });
    expect([head.code, head.text]).toEqual([200, ""]);
  });

  test("without a path is sent to the root, and ways that the pod shows lead through here", async () => {
    const bare = await ask("pods/web/proxy?x=1");
    expect([bare.code, bare.headers["location"]]).toEqual([
      301,
      "/api/v1/namespaces/default/pods/web/proxy/?x=1",
    ]);
    const away = await ask("pods/web/proxy/away");
    expect([away.code, away.headers["location"]]).toEqual([
      302,
      "/api/v1/namespaces/default/pods/web/proxy/login?next=1",
    ]);
  });

  test("that the pod breaks off is broken off", async () => {
    await expect(ask("pods/web/proxy/cut")).rejects.toThrow();
  });

  test("is one that a role must allow, verb by verb", async () => {
    const answer = await ask("pods/web/proxy/", {
      method: "POST",
      headers: { authorization: "Bearer nobody" },
    });
    expect([answer.code, answer.text]).toEqual([
      403,
      expect.stringContaining('cannot create resource \\"pods/proxy\\"'),
    ]);
  });
});

test.each([
  ["services/nosuch:80/proxy/", 404, 'services "nosuch" not found'],
  ["services/empty:80/proxy/", 503, 'no endpoints available for service "empty"'],
  ["services/web:9/proxy/", 503, 'no service port 9 found for service "web"'],
  ["services/web/proxy/", 503, 'no endpoints available for service "web"'],
  ["services/ftp:web:80/proxy/", 400, 'invalid service request "ftp:web:80"'],
  [
    "services/outside:http/proxy/",
    503,
    "203.0.113.1 is the address of no pod: the API server cannot reach it",
  ],
  ["pods/a:b:c:d/proxy/", 400, 'invalid pod request "a:b:c:d"'],
  ["pods/nosuch/proxy/", 404, 'pods "nosuch" not found'],
  ["pods/web:http/proxy/", 400, 'invalid pod request "web:http"'],
  ["pods/waiting/proxy/", 400, "pod waiting does not have a host assigned"],
  [
    "pods/web:81/proxy/",
    503,
    "error trying to reach service: dial tcp 192.168.0.7:81: connect: connection refused",
  ],
  [
    "pods/broken/proxy/",
    503,
    "error trying to reach service: dial tcp 192.168.0.7:80: connect: connection refused",
  ],
  ["pods/unknown/proxy/", 503, "error trying to reach service: the kubelet answers 404: pod does not exist"],
])("%s is answered with %i: %s", async (place, code, message) => {
  const answer = await ask(place);
  expect([answer.code, (JSON.parse(answer.text) as { message: string }).message]).toEqual([code, message]);
});

test("discovery tells of both", async () => {
  const { text } = await api.raw({ path: "/api/v1", headers: AS_ADMIN });
  const { resources } = JSON.parse(text) as { resources: { name: string; kind: string }[] };
  const found = resources.filter(({ name }) => name.endsWith("/proxy"));
  expect(found.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
    "pods/proxy PodProxyOptions",
    "services/proxy ServiceProxyOptions",
  ]);
});

test("an upgraded connection is one with the pod, both ways", async () => {
  const client = connect(api.socketPath);
  client.write(
    "GET /api/v1/namespaces/default/services/plain/proxy/echo?x=1 HTTP/1.1\r\nhost: api\r\nauthorization: Bearer admin\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\nhello",
  );
  let text = "";
  client.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  await expect
    .poll(() => text)
    .toBe(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n/echo?x=1 192.168.0.7:80 - hello",
    );
  client.write(" and more");
  await expect.poll(() => text).toMatch(/hello and more$/);
  client.destroy();
});

test("an upgrade that cannot be, or that nobody may ask for, is answered by the API", async () => {
  const answerTo = (place: string, token = "admin"): Promise<string> =>
    new Promise((resolve, reject) => {
      const client = connect(api.socketPath);
      client.write(
        `GET /api/v1/namespaces/default/${place} HTTP/1.1\r\nhost: api\r\nauthorization: Bearer ${token}\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n`,
      );
      let text = "";
      client.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      client.on("error", reject);
      client.on("close", () => resolve(text));
    });
  expect(await answerTo("pods/broken/proxy/")).toContain(
    "error trying to reach service: dial tcp 192.168.0.7:80: connect: connection refused",
  );
  expect(await answerTo("pods/web/proxy/", "nobody")).toContain('cannot get resource \\"pods/proxy\\"');
});

/** All that comes back on one connection, until the server ends it. */
function exchange(place: string, headers: string, more = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const client = connect(api.socketPath);
    client.write(
      `GET ${place} HTTP/1.1\r\nhost: api\r\nconnection: Upgrade\r\nupgrade: echo\r\n${headers}\r\n`,
    );
    if (more !== "") client.write(more);
    let text = "";
    client.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    client.on("error", reject);
    client.on("close", () => resolve(text));
  });
}
const ADMIN = "authorization: Bearer admin\r\n";
const PROXY = "/api/v1/namespaces/default/pods/web/proxy";

test("an answer that is no upgrade ends the connection: nothing else can be asked over it", async () => {
  const text = await exchange(`${PROXY}/no`, ADMIN, "DELETE /all HTTP/1.1\r\nhost: web\r\n\r\n");
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)*connection: close\r\n\r\nno$/);
  expect(smuggled).toEqual([]);
});

test("a browser's token is not told to the pod; its other subprotocols are", async () => {
  const token = Buffer.from("admin").toString("base64url");
  const offered = `sec-websocket-protocol: chat, base64url.bearer.authorization.k8s.io.${token}\r\n`;
  expect(await exchange(`${PROXY}/protocols`, offered)).toMatch(/\r\n\r\nchat$/);
});

test("only what has a proxy or streams is upgraded to", async () => {
  for (const place of ["deployments/web/proxy/", "deployments/web/exec", "deployments/web/portforward"])
    expect(await exchange(`/apis/apps/v1/namespaces/default/${place}`, ADMIN)).toMatch(/^HTTP\/1\.1 404 /);
  expect(await exchange("/api/v1/namespaces/default/pods/web/status", ADMIN)).toMatch(/^HTTP\/1\.1 405 /);
});
