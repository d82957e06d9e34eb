/** @module A control plane of its own for one test: memory, a Unix socket, one token for each kind of user. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll } from "vitest";
import { tokenHash } from "../../src/apiserver/users.ts";
import { parseCidr } from "../../src/base/ip.ts";
import { ApiError } from "../../src/client/client.ts";
import { HttpClient } from "../../src/client/http-client.ts";
import type { ConfigMap, Pod } from "../../src/client/kinds.ts";
import { bootstrap } from "../../src/cluster/bootstrap.ts";
import { ControlPlane } from "../../src/cluster/control-plane.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import type { Store } from "../../src/store/store.ts";

export interface RawRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

export interface RawAnswer {
  readonly code: number;
  readonly text: string;
  readonly headers: Record<string, unknown>;
}

export const AS_ADMIN: Record<string, string> = { authorization: "Bearer admin" };

export interface TestControlPlane {
  readonly plane: ControlPlane;
  readonly socketPath: string;
  client(token: string): HttpClient;
  /** A request by hand, for what no client sends. */
  raw(wanted: RawRequest): Promise<RawAnswer>;
  close(): Promise<void>;
}

/** Tokens: `admin` may do everything, `nobody` is known and may do nothing, `agent` is a node's agent. */
export async function startTestControlPlane(
  store: Store = new MemoryStore(),
  kubeletOf: (node: string) => string | undefined = () => undefined,
): Promise<TestControlPlane> {
  const folder = mkdtempSync(path.join(tmpdir(), "tortie-api."));
  const socketPath = path.join(folder, "api.sock");
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const plane = await ControlPlane.start({
    store,
    serviceNetworks: ["10.96.0.0/12", "fd00:10:96::/112"].flatMap((text) => parseCidr(text)?.cidr ?? []),
    podNetworks: ["192.168.0.0/16"].flatMap((text) => parseCidr(text)?.cidr ?? []),
    tokens: new Map([
      [tokenHash("admin"), { name: "admin", groups: ["system:masters", "system:authenticated"] }],
      [tokenHash("nobody"), { name: "nobody", groups: ["system:authenticated"] }],
      [tokenHash("agent"), { name: "tortie:agent:node1", groups: ["tortie:agents", "system:authenticated"] }],
    ]),
    signingKey: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    kubeletOf,
  });
  await bootstrap(plane.client("tortie"), {
    apiAddress: "10.96.0.1",
    apiPort: 6443,
    apiEndpoint: "172.18.0.2",
    dnsAddresses: ["10.96.0.10"],
  });
  await plane.open([{ door: { kind: "unix", path: socketPath } }]);
  const clients: HttpClient[] = [];
  return {
    plane,
    socketPath,
    client: (token) => {
      const client = new HttpClient({ server: "http://tortie", socketPath, token, userAgent: "test" });
      clients.push(client);
      return client;
    },
    raw: (wanted) => raw(socketPath, wanted),
    close: async () => {
      for (const client of clients) client.close();
      await plane.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One for all tests of a file, closed after the last of them. */
export async function controlPlaneForFile(): Promise<{
  readonly api: TestControlPlane;
  readonly admin: HttpClient;
}> {
  const api = await startTestControlPlane();
  afterAll(() => api.close());
  return { api, admin: api.client("admin") };
}

function raw(
  socketPath: string,
  { method = "GET", path: url, headers = {}, body }: RawRequest,
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path: url, headers }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("error", reject);
      response.on("end", () => resolve({ code: response.statusCode ?? 0, text, headers: response.headers }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** What the API says when it refuses. @throws Error when it does not */
export async function refusalOf(work: Promise<unknown>): Promise<ApiError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

export function configMap(name: string, data: Record<string, string> = {}): ConfigMap {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" }, data };
}

export function pod(name: string, more: Partial<Pod["spec"]> = {}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels: { app: name } },
    spec: { containers: [{ name: "c", image: "nginx" }], ...more },
  };
}
