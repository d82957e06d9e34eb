import { createServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import type { Container } from "kubernetes-types/core/v1.js";
import { afterEach, expect, test } from "vitest";
import { createAuthority } from "../cluster/certificates.ts";
import { type ProbeHands, Probes } from "./probes.ts";

let probes: Probes | undefined;
afterEach(() => probes?.stop());

function watch(container: Partial<Container>, hands: Partial<ProbeHands>): string[] {
  const told: string[] = [];
  probes = new Probes(
    { name: "c", ...container },
    {
      address: "127.0.0.1",
      connect: () => Promise.reject(new Error("connection refused")),
      exec: () => Promise.resolve(0),
      failed: (kind, message) => told.push(`${kind} failed: ${message}`),
      result: (kind, healthy) => told.push(`${kind} ${healthy ? "good" : "bad"}`),
      ...hands,
    },
  );
  probes.start();
  return told;
}

const OFTEN = { periodSeconds: 0.01, timeoutSeconds: 0.05 };

test("failures below the threshold are told and decide nothing", async () => {
  let count = 0;
  const told = watch(
    { startupProbe: { ...OFTEN, exec: { command: ["x"] }, failureThreshold: 3 } },
    { exec: () => Promise.resolve(++count === 3 ? 0 : 1) },
  );
  await expect.poll(() => told.at(-1)).toBe("startup good");
  expect(told).toEqual([
    "startup failed: command exited with 1",
    "startup failed: command exited with 1",
    "startup good",
  ]);
});

test("a command that does not end is killed, and counts as a failure", async () => {
  const told = watch(
    { livenessProbe: { ...OFTEN, exec: { command: ["x"] }, failureThreshold: 1 } },
    {
      exec: (_, signal) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => resolve(137));
        }),
    },
  );
  await expect.poll(() => told).toContain("liveness bad");
  expect(told[0]).toBe("liveness failed: command timed out after 0.05s");
});

test("HTTPS is spoken where the probe says so, whoever signed the certificate", async () => {
  const { certificate, key } = await createAuthority("nobody knows");
  const server = createServer({ cert: certificate, key }, (_, response) => void response.end("yes"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const told = watch(
    { readinessProbe: { periodSeconds: 1, httpGet: { port, scheme: "HTTPS", path: "/ready" } } },
    { connect: (to) => Promise.resolve(connect(to, "127.0.0.1")) },
  );
  await expect.poll(() => told).toEqual(["readiness good"]);
  server.close();
});

test("the first probe waits for a port that is about to open; one that stays closed fails once", async () => {
  let refused = 0;
  const server = createServer(() => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const soon = watch(
    { readinessProbe: { periodSeconds: 60, timeoutSeconds: 2, tcpSocket: { port } } },
    {
      connect: (to) =>
        ++refused < 3
          ? Promise.reject(new Error("connection refused"))
          : Promise.resolve(connect(to, "127.0.0.1")),
    },
  );
  await expect.poll(() => soon).toEqual(["readiness good"]);
  probes?.stop();
  server.close();
  const never = watch(
    { readinessProbe: { periodSeconds: 60, timeoutSeconds: 0.2, tcpSocket: { port } } },
    {},
  );
  await expect.poll(() => never).toContain("readiness failed: connection refused");
});

test("a connection that comes too late is closed", async () => {
  const server = createServer(() => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  let late: ReturnType<typeof connect> | undefined;
  const told = watch(
    { readinessProbe: { periodSeconds: 60, timeoutSeconds: 0.05, tcpSocket: { port } } },
    {
      connect: async (to) => {
        await new Promise((resolve) => setTimeout(resolve, 150));
        late = connect(to, "127.0.0.1");
        return late;
      },
    },
  );
  await expect.poll(() => told).toContain(`readiness failed: dial tcp 127.0.0.1:${port}: i/o timeout`);
  await expect.poll(() => late?.destroyed).toBe(true);
  server.close();
});
