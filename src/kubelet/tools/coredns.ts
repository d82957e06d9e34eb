/** @module `coredns`: the cluster's DNS server, as the container of that name runs it. */
import { HttpClient } from "../../client/http-client.ts";
import { inClusterConnection } from "../../client/in-cluster.ts";
import { serveDns } from "../../dns/serve.ts";
import type { Tool } from "./program.ts";

export const coredns: Tool = async () => {
  await serveDns(new HttpClient(inClusterConnection("coredns")), (line) => {
    process.stdout.write(`[INFO] ${line}\n`);
  });
  return new Promise(() => undefined);
};
