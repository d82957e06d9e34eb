/** @module The kubeconfig of a cluster: printed alone, or put into the user's own beside what is there. */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { dump, load } from "js-yaml";
import { must, OpError } from "../base/errors.ts";
import { kubeconfigFiles } from "../client/kubeconfig.ts";
import type { Credentials } from "./credentials.ts";
import { unwritten } from "./disk-space.ts";

interface NamedEntry {
  readonly name: string;
  readonly [field: string]: unknown;
}

interface Kubeconfig {
  apiVersion: "v1";
  kind: "Config";
  clusters: NamedEntry[];
  users: NamedEntry[];
  contexts: NamedEntry[];
  "current-context": string;
  [field: string]: unknown;
}

export function contextOf(name: string): string {
  return `tortie-${name}`;
}

export function kubeconfigOf(name: string, port: number, credentials: Credentials): Kubeconfig {
  const context = contextOf(name);
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: context,
        cluster: {
          "certificate-authority-data": base64(credentials.authority),
          server: `https://127.0.0.1:${port}`,
        },
      },
    ],
    users: [
      {
        name: context,
        user: {
          "client-certificate-data": base64(credentials.admin.certificate),
          "client-key-data": base64(credentials.admin.key),
        },
      },
    ],
    contexts: [{ name: context, context: { cluster: context, user: context } }],
    "current-context": context,
  };
}

export function kubeconfigText(config: Kubeconfig): string {
  return dump(config, { lineWidth: -1, noRefs: true });
}

/** The one that kubectl would write to. */
export function userKubeconfigPath(): string {
  return must(kubeconfigFiles()[0], "a place for a kubeconfig");
}

const LISTS = ["clusters", "users", "contexts"] as const;

/**
 * Puts a cluster's context among the user's others, and makes it the current one. What else is there stays.
 * @throws OpError `file-unreadable` when the file is no kubeconfig: it is left as it is
 */
export function addContext(file: string, own: Kubeconfig): void {
  change(file, (config) => {
    for (const list of LISTS)
      config[list] = [
        ...config[list].filter(({ name }) => !own[list].some((one) => one.name === name)),
        ...own[list],
      ];
    config["current-context"] = own["current-context"];
  });
}

/** Takes a cluster's context out again. */
export function removeContext(file: string, context: string): void {
  if (!existsSync(file)) return;
  change(file, (config) => {
    for (const list of LISTS) config[list] = config[list].filter(({ name }) => name !== context);
    if (config["current-context"] === context) config["current-context"] = "";
  });
}

/** @throws OpError `file-unreadable` when a context cannot be put there */
export function checkKubeconfig(file: string): void {
  read(file);
}

function change(file: string, edit: (config: Kubeconfig) => void): void {
  const unlock = lock(file);
  try {
    const config = read(file);
    edit(config);
    // Another name first: who reads meanwhile sees the old file or the new one, whole.
    const temporary = `${file}.${process.pid}.tmp`;
    const mode = existsSync(file) ? statSync(file).mode & 0o777 : 0o600;
    try {
      writeFileSync(temporary, kubeconfigText(config), { mode });
      renameSync(temporary, file);
    } catch (cause) {
      rmSync(temporary, { force: true });
      throw unwritten(file, cause);
    }
  } finally {
    unlock();
  }
}

const LOCK_MS = 3000;
const LOCK_PAUSE_MS = 10;

/** The file that kubectl makes while it writes, too (client-go, tools/clientcmd). */
function lock(file: string): () => void {
  const held = `${file}.lock`;
  mkdirSync(path.dirname(file), { recursive: true });
  for (const deadline = Date.now() + LOCK_MS; ; ) {
    try {
      closeSync(openSync(held, "wx"));
      return () => rmSync(held, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw unwritten(held, error);
    }
    if (Date.now() > deadline) {
      throw new OpError(`${file} is being written by somebody else; if nobody is, remove ${held}`, {
        code: "file-unreadable",
        facts: { file: held },
      });
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_PAUSE_MS);
  }
}

function read(file: string): Kubeconfig {
  const empty: Kubeconfig = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [],
    users: [],
    contexts: [],
    "current-context": "",
  };
  if (!existsSync(file)) return empty;
  let value: unknown;
  try {
    value = load(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new OpError(`${file} is not a kubeconfig, and is left as it is`, {
      code: "file-unreadable",
      cause,
    });
  }
  if (value === undefined || value === null) return empty;
  if (typeof value !== "object")
    throw new OpError(`${file} is not a kubeconfig, and is left as it is`, { code: "file-unreadable" });
  const config = { ...empty, ...(value as Partial<Kubeconfig>) };
  for (const list of LISTS) config[list] = Array.isArray(config[list]) ? config[list] : [];
  return config;
}
