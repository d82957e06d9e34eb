/**
 * @module Graph node: endpoints → classes → identities.
 *
 * An endpoint that comes or goes with a known class costs O(its labels). A label key that selectors begin or cease to
 * mention re-keys the classes that carry it, not their endpoints.
 */

import { BugError, must } from "../base/errors.ts";
import { ownValue } from "../base/own.ts";
import type { Endpoint } from "../policy/model.ts";
import type { Selectable } from "../policy/selector.ts";
import type { Labels } from "../resources/object.ts";
import { MultiMap } from "./multi-map.ts";
import type { Counters, EndpointState, Identity, LabelClass } from "./types.ts";

/** What the next nodes hear. Every `joined` is closed by one `left`; an identity is created before its first class. */
export interface IdentitySink {
  /** `like` is an identity that every selector in force treats alike, where one is known. */
  identityCreated(identity: Identity, like: Identity | undefined): void;
  identityGone(identity: Identity): void;
  endpointJoined(identity: Identity, endpoint: Endpoint): void;
  endpointLeft(identity: Identity, endpoint: Endpoint): void;
  selectableOf(endpoint: Endpoint, labels: Labels): Selectable;
}

const SEPARATOR = "\u0000";

function labelsText(labels: Labels): string {
  return Object.keys(labels)
    .sort()
    .map((key) => `${key}=${ownValue(labels, key)}`)
    .join(SEPARATOR);
}

function fixedText(endpoint: Endpoint): string {
  const ports = endpoint.ports.map((port) => `${port.protocol}/${port.name}/${port.port}`).sort();
  const { ingress, egress } = endpoint.profile;
  const profiles = endpoint.profiles?.join(",") ?? "";
  const kind = endpoint.kind ?? "";
  return [endpoint.namespace, endpoint.serviceAccount, ports.join(","), kind, profiles, ingress, egress].join(
    SEPARATOR,
  );
}

function classKey(endpoint: Endpoint): string {
  return `${fixedText(endpoint)}${SEPARATOR}${SEPARATOR}${labelsText(endpoint.labels)}`;
}

export class Identities {
  readonly #sink: IdentitySink;
  readonly #counters: Counters;
  readonly #endpoints = new Map<string, EndpointState>();
  readonly #classes = new Map<string, LabelClass>();
  readonly #classesByKey = new MultiMap<string, LabelClass>();
  readonly #identities = new Map<string, Identity>();
  /** Label keys that selectors mention, with the number of selectors that do. */
  readonly #mentioned = new Map<string, number>();

  constructor(sink: IdentitySink, counters: Counters) {
    this.#sink = sink;
    this.#counters = counters;
  }

  get endpoints(): ReadonlyMap<string, EndpointState> {
    return this.#endpoints;
  }

  get identities(): ReadonlyMap<string, Identity> {
    return this.#identities;
  }

  get mentionedKeys(): Iterable<string> {
    return this.#mentioned.keys();
  }

  setEndpoint(id: string, endpoint: Endpoint | null): void {
    const before = this.#endpoints.get(id);
    // The new one joins first, so that a class shared by both does not go and come back.
    if (endpoint) {
      const labelClass = this.#classFor(endpoint);
      const state: EndpointState = { endpoint, labelClass };
      labelClass.endpoints.add(state);
      this.#endpoints.set(id, state);
      this.#sink.endpointJoined(labelClass.identity, endpoint);
    } else {
      this.#endpoints.delete(id);
    }
    if (before) this.#leave(before);
  }

  /** A selector that mentions these keys came into force. Call before its members are looked for. */
  mention(keys: Iterable<string>): void {
    for (const key of keys) {
      const uses = this.#mentioned.get(key) ?? 0;
      this.#mentioned.set(key, uses + 1);
      if (uses === 0) this.#rekey(key);
    }
  }

  /** The inverse of {@link mention}. Call after the selector's members are forgotten. */
  unmention(keys: Iterable<string>): void {
    for (const key of keys) {
      const uses = must(this.#mentioned.get(key), `mention of label key ${key}`);
      if (uses > 1) {
        this.#mentioned.set(key, uses - 1);
      } else {
        this.#mentioned.delete(key);
        this.#rekey(key);
      }
    }
  }

  #classFor(endpoint: Endpoint): LabelClass {
    const key = classKey(endpoint);
    const known = this.#classes.get(key);
    if (known) return known;
    const identity = this.#identityFor(endpoint, undefined);
    const created: LabelClass = { key, sample: endpoint, endpoints: new Set(), identity };
    identity.classes.add(created);
    this.#classes.set(key, created);
    for (const label of Object.keys(endpoint.labels)) this.#classesByKey.add(label, created);
    return created;
  }

  #identityFor(endpoint: Endpoint, like: Identity | undefined): Identity {
    const labels = this.#project(endpoint.labels);
    const key = `${fixedText(endpoint)}${SEPARATOR}${SEPARATOR}${labelsText(labels)}`;
    const known = this.#identities.get(key);
    if (known) return known;
    const created: Identity = {
      key,
      selectable: this.#sink.selectableOf(endpoint, labels),
      sample: endpoint,
      classes: new Set(),
      selectors: new Set(),
      program: undefined,
    };
    this.#identities.set(key, created);
    this.#sink.identityCreated(created, like);
    return created;
  }

  /** The namespace's or service account's labels changed: what selectors see of the identity is made anew. */
  refreshSelectable(identity: Identity): void {
    identity.selectable = this.#sink.selectableOf(identity.sample, identity.selectable.labels);
  }

  #project(labels: Labels): Labels {
    const projected: Record<string, string> = {};
    for (const [key, value] of Object.entries(labels)) {
      if (this.#mentioned.has(key)) Object.defineProperty(projected, key, { value, enumerable: true });
    }
    return projected;
  }

  #rekey(key: string): void {
    for (const labelClass of this.#classesByKey.get(key)) {
      this.#counters.classesRekeyed++;
      const before = labelClass.identity;
      const after = this.#identityFor(labelClass.sample, before);
      if (after === before) continue;
      after.classes.add(labelClass);
      labelClass.identity = after;
      for (const { endpoint } of labelClass.endpoints) {
        this.#sink.endpointJoined(after, endpoint);
        this.#sink.endpointLeft(before, endpoint);
      }
      this.#dropClass(before, labelClass);
    }
  }

  #leave(state: EndpointState): void {
    const { labelClass } = state;
    if (!labelClass.endpoints.delete(state)) throw new BugError(`endpoint ${state.endpoint.id} left twice`);
    this.#sink.endpointLeft(labelClass.identity, state.endpoint);
    if (labelClass.endpoints.size > 0) return;
    this.#classes.delete(labelClass.key);
    for (const label of Object.keys(labelClass.sample.labels)) this.#classesByKey.delete(label, labelClass);
    this.#dropClass(labelClass.identity, labelClass);
  }

  #dropClass(identity: Identity, labelClass: LabelClass): void {
    identity.classes.delete(labelClass);
    if (identity.classes.size > 0) return;
    this.#identities.delete(identity.key);
    this.#sink.identityGone(identity);
  }
}
