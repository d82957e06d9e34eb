/** @module The process of the control plane: `tortie control-plane --name N`, started by the machine. */
import { existsSync, fstatSync, rmSync } from "node:fs";
import { BugError, OpError } from "../base/errors.ts";
import { bootstrap } from "./bootstrap.ts";
import { ControlPlane } from "./control-plane.ts";
import { readCredentials, usersOf } from "./credentials.ts";
import { ownersIn } from "./host-sockets.ts";
import { layoutOf } from "./layout.ts";
import { API_PORT } from "./machine.ts";
import { processLog } from "./process-log.ts";
import { cidrsOf, readSettings, wellKnownAddresses } from "./settings.ts";
import { startControllers } from "./start-controllers.ts";
import { openStore } from "./store-choice.ts";

/** The API's socket on the host, and the one inside the cluster behind it. */
const HOST_DESCRIPTOR = 3;
/** The table of the host's connections. */
const HOST_SOCKETS_DESCRIPTOR = 4;
const CLUSTER_DESCRIPTOR = 5;
/** Where `planNetwork` puts the first node. */
const FIRST_NODE = "172.18.0.2";

export async function runControlPlane(name: string): Promise<void> {
  const layout = layoutOf(name);
  const settings = readSettings(layout);
  const credentials = readCredentials(layout);
  if (!settings || !credentials || !existsSync(layout.run))
    throw new OpError(`there is no cluster ${name}`, { code: "cluster-missing", facts: { name } });
  const tls = {
    certificate: credentials.server.certificate,
    key: credentials.server.key,
    authority: credentials.authority,
  };
  const log = processLog();
  process.on("unhandledRejection", (error) => {
    log(`unhandled: ${error instanceof Error ? error.stack : String(error)}`);
    // What is wrong with us alone may be anything: we begin again with all objects.
    if (error instanceof BugError) process.exit(1);
  });
  rmSync(layout.apiSocket, { force: true });
  const store = await openStore(settings, layout);
  const plane = await ControlPlane.start({
    store,
    serviceNetworks: cidrsOf(settings.serviceNetworks),
    podNetworks: cidrsOf(settings.podNetworks),
    tokens: usersOf(credentials),
    signingKey: credentials.signingKey,
    kubeletOf: () => layout.kubeletSocket,
    findOwners: () => ownersIn(HOST_SOCKETS_DESCRIPTOR),
  });
  const { api, dns } = wellKnownAddresses(settings);
  await bootstrap(plane.client("tortie"), {
    apiAddress: api,
    apiPort: API_PORT,
    apiEndpoint: FIRST_NODE,
    dnsAddresses: dns,
  });
  const controllers = await startControllers(plane, { settings, authority: credentials.authority, log });
  await plane.open([
    { door: { kind: "unix", path: layout.apiSocket } },
    { door: { kind: "fd", fd: HOST_DESCRIPTOR }, tls },
    ...(isOpen(CLUSTER_DESCRIPTOR) ? [{ door: { kind: "fd" as const, fd: CLUSTER_DESCRIPTOR }, tls }] : []),
  ]);
  const end = async (): Promise<void> => {
    controllers.stop();
    await plane.close();
    process.exit(0);
  };
  process.on("SIGTERM", () => void end());
  process.on("SIGINT", () => void end());
}

function isOpen(descriptor: number): boolean {
  try {
    fstatSync(descriptor);
    return true;
  } catch {
    return false;
  }
}
