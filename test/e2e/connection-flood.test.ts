/** @module A user of the machine without a token holds as many connections as they like: others are served all the same. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clustersRun, TestCluster, until } from "../support/cluster.ts";

const CONNECTIONS = 5000;

/** Opens them, opens again what is closed, says nothing, and tells how many it has had. */
const FLOOD = `
const { connect } = require("node:net");
const [, , port, count] = process.argv.map(Number);
let opened = 0, next = 0;
function one() {
  const socket = connect(port, "127.0.0.1", () => { if (++opened % 1000 === 0) console.log(opened); });
  socket.on("error", () => undefined);
  socket.on("close", () => { if (opened < 20 * count) setTimeout(one, 1000); });
}
const timer = setInterval(() => { for (let more = 0; more < 100 && next < count; more++, next++) one(); if (next >= count) clearInterval(timer); }, 10);
setTimeout(() => process.exit(0), 60_000);
`;

describe.skipIf(!clustersRun())("with thousands of connections of a user without a token", () => {
  const cluster = new TestCluster();
  let flood: ChildProcess | undefined;
  let heard = "";

  beforeAll(async () => {
    await cluster.up();
    const script = path.join(cluster.folder, "flood.cjs");
    writeFileSync(script, FLOOD);
    chmodSync(cluster.folder, 0o755);
    const port = /:(\d+)$/.exec(
      await cluster.ask("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"),
    )?.[1];
    // Another user than the cluster's, where we may be one.
    const user =
      process.getuid?.() === 0
        ? ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]
        : [];
    const [program = "", ...words] = [
      ...user,
      ...["sh", "-c", 'ulimit -n $(ulimit -H -n); exec "$@"', "sh"],
      ...[process.execPath, script, port ?? "", String(CONNECTIONS)],
    ];
    flood = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] });
    flood.stdout?.on("data", (chunk: Buffer) => {
      heard += chunk.toString();
    });
  });

  afterAll(async () => {
    flood?.kill("SIGKILL");
    await cluster.close();
  });

  test("those with one are answered, on connections that they have and on new ones", async () => {
    const watch = cluster.start(cluster.env["KUBECTL"] ?? "", [
      `--context=tortie-${cluster.name}`,
      ...["get", "configmaps", "-o", "name", "--watch"],
    ]);
    let watched = "";
    watch.stdout?.on("data", (chunk: Buffer) => {
      watched += chunk.toString();
    });
    await until("the watch", () => watched.includes("kube-root-ca.crt"));
    await until("the flood", () => heard.includes(`${CONNECTIONS}\n`));
    const answers: (number | null)[] = [];
    for (let asked = 0; asked < 10; asked++)
      answers.push((await cluster.kubectl("create", "configmap", `m${asked}`)).status);
    expect(answers).toEqual(answers.map(() => 0));
    await until("the watch", () => watched.includes("configmap/m9\n"));
    expect(flood?.exitCode).toBeNull();
    watch.kill("SIGKILL");
  });
});
