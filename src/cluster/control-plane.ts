/** @module The control plane of one cluster: the API over a store, with its doors. */
import { Api } from "../apiserver/api.ts";
import { Authorizer } from "../apiserver/authorize.ts";
import { Connections, type FindOwners } from "../apiserver/connections.ts";
import { HttpHandler } from "../apiserver/http-handler.ts";
import { LocalClient } from "../apiserver/local-client.ts";
import { type KubeletOf, NodeStreams } from "../apiserver/node-streams.ts";
import { trackFields } from "../apiserver/operations.ts";
import { Reviews } from "../apiserver/reviews.ts";
import { type Door, type OpenDoor, openDoor, type TlsFiles } from "../apiserver/server.ts";
import { Tokens } from "../apiserver/service-account-tokens.ts";
import { type StaticTokens, TokenSigner } from "../apiserver/users.ts";
import type { Cidr } from "../base/ip.ts";
import type { Store } from "../store/store.ts";
import { ApiDocuments } from "./documents.ts";
import { Enforcement } from "./enforcement.ts";

export interface DoorPlan {
  readonly door: Door;
  readonly tls?: TlsFiles;
}

export interface ControlPlaneOptions {
  readonly store: Store;
  readonly serviceNetworks: readonly Cidr[];
  readonly podNetworks?: readonly Cidr[];
  readonly tokens: StaticTokens;
  /** PEM of the key that signs service accounts' tokens. */
  readonly signingKey: string;
  readonly kubeletOf: KubeletOf;
  /** Who has connections on the loopback that a door is on, where that can be known. */
  readonly findOwners?: FindOwners;
}

interface Parts {
  readonly authorizer: Authorizer;
  readonly reviews: Reviews;
  readonly enforcement: Enforcement;
  readonly handler: HttpHandler;
  readonly connections: Connections;
}

export class ControlPlane {
  readonly api: Api;
  readonly #parts: Parts;
  readonly #doors: OpenDoor[] = [];

  private constructor(api: Api, parts: Parts) {
    this.api = api;
    this.#parts = parts;
  }

  /** All but its doors: nobody is answered before everything is there. */
  static async start(options: ControlPlaneOptions): Promise<ControlPlane> {
    const { store, serviceNetworks, podNetworks = [] } = options;
    const api = new Api({ store, serviceNetworks, podNetworks, trackFields });
    const authorizer = new Authorizer(options.store);
    const signer = new TokenSigner(options.signingKey);
    const tokens = new Tokens(options.store, options.tokens, signer);
    const reviews = new Reviews(authorizer, signer, tokens);
    await api.start();
    await authorizer.start();
    const enforcement = new Enforcement();
    await enforcement.start(options.store);
    const documents = new ApiDocuments(() => api.resources);
    const connections = new Connections(options.findOwners && { findOwners: options.findOwners });
    const handler = new HttpHandler({
      api,
      authorizer,
      checkToken: (...asked) => tokens.check(...asked),
      connections,
      reviews,
      streams: new NodeStreams(options.kubeletOf),
      checkFields: documents.checkFields,
      documents,
      enforcement: (object) => enforcement.describe(api, object),
    });
    const plane = new ControlPlane(api, { authorizer, reviews, enforcement, handler, connections });
    return plane;
  }

  /** Begins to answer. @throws OpError `api-refused` when a door cannot be opened */
  async open(doors: readonly DoorPlan[]): Promise<void> {
    for (const { door, tls } of doors) this.#doors.push(await openDoor(this.#parts, door, tls));
  }

  /** For the controllers of this process. */
  client(manager: string): LocalClient {
    return new LocalClient(this.api, this.#parts.reviews, manager);
  }

  async close(): Promise<void> {
    for (const door of this.#doors) await door.close();
    this.#parts.authorizer.close();
    this.#parts.enforcement.close();
    this.api.close();
    await this.api.store.close();
  }
}
