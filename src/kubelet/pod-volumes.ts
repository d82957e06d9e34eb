/** @module The volumes of one pod over its life: made before its first container, kept like what they are made from. */
import path from "node:path";
import type { Container } from "kubernetes-types/core/v1.js";
import type { Client } from "../client/client.ts";
import type { Pod } from "../client/kinds.ts";
import type { PodFacts } from "./environment.ts";
import type { Mount } from "./runtime/container.ts";
import { TokenFiles } from "./token-files.ts";
import { type MadeVolume, makeToken, makeVolumes, mountsOf } from "./volumes.ts";

/** The kubelet looks once a minute; here it costs next to nothing. */
const REFRESH_MS = 10_000;

export class PodVolumes {
  readonly #directory: string;
  readonly #client: Client;
  readonly #authority: string;
  readonly #tokens: TokenFiles;
  #made: ReadonlyMap<string, MadeVolume> | undefined;
  #token: Mount | undefined;
  #refreshAt = 0;

  /** @param authority - who signs the API's certificate */
  constructor(directory: string, client: Client, authority: string) {
    this.#directory = directory;
    this.#client = client;
    this.#authority = authority;
    this.#tokens = new TokenFiles(client);
  }

  /** @param values - the container's environment. @throws ConfigError, ApiError */
  async mountsOf(
    container: Container,
    facts: PodFacts,
    values: ReadonlyMap<string, string>,
  ): Promise<Mount[]> {
    this.#made ??= await this.#make(facts);
    return mountsOf(container, this.#made, values);
  }

  #make(facts: PodFacts): Promise<ReadonlyMap<string, MadeVolume>> {
    this.#refreshAt = Date.now() + REFRESH_MS;
    return makeVolumes(path.join(this.#directory, "volumes"), {
      client: this.#client,
      facts,
      tokens: this.#tokens,
    });
  }

  get hasToken(): boolean {
    return this.#token !== undefined;
  }

  /** The account's token, its mount made at the first call; none where the pod wants none. */
  async token({ pod }: PodFacts): Promise<readonly Mount[]> {
    this.#token ??= await makeToken(this.#directory, {
      pod,
      tokens: this.#tokens,
      authority: this.#authority,
    });
    return this.#token ? [this.#token] : [];
  }

  /**
   * Brings files up to date with what they are made from.
   * @returns milliseconds until it is to be called again; undefined when nothing can change
   */
  async refresh(facts: PodFacts): Promise<number | undefined> {
    const renewal = await this.#tokens.renew(facts.pod);
    if (!this.#made || !canChange(facts.pod)) return renewal;
    if (Date.now() >= this.#refreshAt) {
      // What is gone from the API stays in the pod, as with the kubelet.
      await this.#make(facts).catch(() => undefined);
    }
    return Math.min(renewal ?? Number.POSITIVE_INFINITY, Math.max(0, this.#refreshAt - Date.now()));
  }
}

function canChange({ spec }: Pod): boolean {
  return (spec.volumes ?? []).some(({ emptyDir }) => emptyDir === undefined);
}
