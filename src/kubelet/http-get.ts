/** @module One GET into a pod, as probes and lifecycle hooks ask for it. */
import { request } from "node:http";
import type { Duplex } from "node:stream";
import { connect as secureConnect } from "node:tls";
import type { HTTPGetAction } from "kubernetes-types/core/v1.js";

export interface GetTarget {
  readonly address: string;
  readonly port: number;
  readonly connect: (port: number) => Promise<Duplex>;
  readonly userAgent: string;
  readonly timeoutMs: number;
}

/** @returns the status of the answer. @throws Error when there is none in time, in Go's words */
export async function httpGet(get: HTTPGetAction, target: GetTarget): Promise<number> {
  const { address, port, connect, userAgent, timeoutMs } = target;
  const path = get.path?.startsWith("/") ? get.path : `/${get.path ?? ""}`;
  const isTls = get.scheme === "HTTPS";
  const url = `${isTls ? "https" : "http"}://${address}:${port}${path}`;
  const words = `Get ${JSON.stringify(url)}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)`;
  const deadline = Date.now() + timeoutMs;
  const plain = await connectWithin(connect(port), timeoutMs, words);
  // Also after the answer: what is left of it is nobody's fault.
  plain.on("error", () => undefined);
  // As the kubelet: whoever signed the certificate, and whatever name it has.
  const connection = isTls ? secureConnect({ socket: plain, rejectUnauthorized: false }) : plain;
  const answer = new Promise<number>((resolve, reject) => {
    const asked = request(
      {
        createConnection: () => connection as never,
        path,
        headers: {
          host: `${address}:${port}`,
          "user-agent": userAgent,
          connection: "close",
          ...Object.fromEntries((get.httpHeaders ?? []).map(({ name, value }) => [name, value])),
        },
      },
      (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    );
    asked.on("error", reject);
    asked.end();
  });
  try {
    return await within(answer, Math.max(1, deadline - Date.now()), words);
  } finally {
    connection.destroy();
    plain.destroy();
  }
}

/** A connection that comes too late is nobody's: it is closed. @throws Error with the message when it takes longer */
export async function connectWithin(
  connecting: Promise<Duplex>,
  milliseconds: number,
  message: string,
): Promise<Duplex> {
  let isLate = false;
  const drop = (connection: Duplex): void => {
    if (isLate) connection.on("error", () => undefined).destroy();
  };
  connecting.then(drop, () => undefined);
  try {
    return await within(connecting, milliseconds, message);
  } catch (error) {
    isLate = true;
    throw error;
  }
}

async function within<T>(work: Promise<T>, milliseconds: number, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
