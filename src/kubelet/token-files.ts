/** @module Tokens of ServiceAccounts in files of one pod, which are written anew before they expire. */
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Client } from "../client/client.ts";
import { type Pod, SERVICE_ACCOUNTS } from "../client/kinds.ts";
import type { KubeObject } from "../client/objects.ts";

/** As the kubelet asks for it: an hour, and a little so that clocks may differ. */
const USUAL_SECONDS = 3607;
const LEAST_SECONDS = 600;
/** The part of its life after which a token is replaced, and the longest that one is kept. */
const RENEWED_AFTER = 0.8;
const LONGEST_MS = 24 * 3600 * 1000;
/** A renewal that failed is tried again, while the old token still holds. */
const AGAIN_MS = 10_000;

export interface TokenWish {
  readonly seconds?: number | undefined;
  /** The API's own where left out. */
  readonly audience?: string | undefined;
}

/** Whoever reads it meanwhile reads the old content or the new one, whole. */
export async function replaceFile(file: string, content: string | Buffer): Promise<void> {
  await rm(`${file}.new`, { force: true });
  await writeFile(`${file}.new`, content, { flag: "wx" });
  await rename(`${file}.new`, file);
}

export class TokenFiles {
  readonly #client: Client;
  readonly #files = new Map<string, { readonly wish: TokenWish; renewAt: number }>();

  constructor(client: Client) {
    this.#client = client;
  }

  has(file: string): boolean {
    return this.#files.has(file);
  }

  /** @throws ApiError when the account is not there, or may not have such a token */
  async write(file: string, pod: Pod, wish: TokenWish = {}): Promise<void> {
    const began = Date.now();
    const { token, expires } = await this.#request(pod, wish);
    await mkdir(path.dirname(file), { recursive: true });
    await replaceFile(file, token);
    const lifeMs = Math.min((expires - began) * RENEWED_AFTER, LONGEST_MS);
    this.#files.set(file, { wish, renewAt: began + lifeMs });
  }

  /**
   * Renews those whose time has come.
   * @returns milliseconds until the next one's has; undefined when there are none
   */
  async renew(pod: Pod): Promise<number | undefined> {
    for (const [file, state] of this.#files) {
      if (state.renewAt > Date.now()) continue;
      try {
        await this.write(file, pod, state.wish);
      } catch {
        state.renewAt = Date.now() + AGAIN_MS;
      }
    }
    if (this.#files.size === 0) return undefined;
    const next = Math.min(...[...this.#files.values()].map(({ renewAt }) => renewAt));
    return Math.max(0, next - Date.now());
  }

  async #request(
    { metadata, spec }: Pod,
    { seconds = USUAL_SECONDS, audience }: TokenWish,
  ): Promise<{ readonly token: string; readonly expires: number }> {
    const { namespace } = metadata;
    const request = {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      metadata: { name: spec.serviceAccountName ?? "default", namespace },
      spec: {
        expirationSeconds: Math.max(LEAST_SECONDS, seconds),
        ...(audience !== undefined && { audiences: [audience] }),
        boundObjectRef: { kind: "Pod", apiVersion: "v1", name: metadata.name, uid: metadata.uid },
      },
    };
    const answer = await this.#client.create(
      SERVICE_ACCOUNTS as never,
      request as unknown as KubeObject,
      "token",
    );
    const { status } = answer as unknown as { status: { token: string; expirationTimestamp: string } };
    return { token: status.token, expires: Date.parse(status.expirationTimestamp) };
  }
}
