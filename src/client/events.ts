/** @module Events about objects, as `kubectl describe` shows them. Equal ones are counted; none holds up the work that it tells of. */
import { randomInt } from "node:crypto";
import type { Client } from "./client.ts";
import type { Event } from "./kinds.ts";
import { EVENTS } from "./kinds.ts";
import { type KubeObject, timeText } from "./objects.ts";

export interface EventSource {
  readonly component: string;
  readonly host?: string;
}

interface Queued {
  readonly key: string;
  readonly object: KubeObject;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  readonly fieldPath: string | undefined;
  readonly at: Date;
  /** Grows with time, so that a list by name is one by time where seconds do not tell them apart. */
  readonly suffix: string;
}

/** Told events are remembered, so that the next equal one counts up; so many at most. */
const MEMORY = 2000;
const SENDERS = 2;

export class EventRecorder {
  readonly #client: Client;
  readonly #source: EventSource;
  readonly #queue: Queued[] = [];
  readonly #told = new Map<string, Event>();
  #sending = 0;
  /** Microseconds. */
  #last = 0;

  constructor(client: Client, source: EventSource) {
    this.#client = client;
    this.#source = source;
  }

  normal(object: KubeObject, reason: string, message: string, fieldPath?: string): void {
    this.#add({ object, type: "Normal", reason, message, fieldPath });
  }

  warning(object: KubeObject, reason: string, message: string, fieldPath?: string): void {
    this.#add({ object, type: "Warning", reason, message, fieldPath });
  }

  #add(event: Omit<Queued, "key" | "at" | "suffix">): void {
    const { metadata } = event.object;
    const at = new Date();
    this.#queue.push({
      ...event,
      at,
      suffix: this.#suffix(),
      key: `${metadata.uid} ${event.reason} ${event.message}`,
    });
    while (this.#sending < SENDERS && this.#queue.length > this.#sending) {
      this.#sending++;
      void this.#send();
    }
  }

  /** Nanoseconds since 1970, in hex; the last three digits are chance, against another process at the same time. */
  #suffix(): string {
    const microseconds = Math.floor((performance.timeOrigin + performance.now()) * 1000);
    this.#last = Math.max(this.#last + 1, microseconds);
    return (BigInt(this.#last) * 1000n + BigInt(randomInt(1000))).toString(16);
  }

  async #send(): Promise<void> {
    for (;;) {
      // Behind what caused it: an event is the least urgent of all writes.
      await new Promise((resolve) => setImmediate(resolve));
      const next = this.#queue.shift();
      if (!next) break;
      try {
        await this.#tell(next);
      } catch {
        // An event that cannot be told is lost, as in Kubernetes: the object's status says what matters.
      }
    }
    this.#sending--;
  }

  async #tell({ key, object, type, reason, message, fieldPath, at, suffix }: Queued): Promise<void> {
    const now = timeText(at);
    const known = this.#told.get(key);
    if (known) {
      const { namespace, name } = known.metadata;
      const count = (known.count ?? 1) + 1;
      const patched = await this.#client.patch(
        EVENTS,
        { namespace, name },
        { count, lastTimestamp: now },
        { type: "merge" },
      );
      this.#told.set(key, patched);
      return;
    }
    const { metadata, kind, apiVersion } = object;
    const namespace = metadata.namespace ?? "default";
    const event = await this.#client.create(EVENTS, {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: `${metadata.name}.${suffix}`, namespace },
      involvedObject: {
        apiVersion,
        kind,
        name: metadata.name,
        ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
        ...(metadata.uid !== undefined && { uid: metadata.uid }),
        ...(metadata.resourceVersion !== undefined && { resourceVersion: metadata.resourceVersion }),
        ...(fieldPath !== undefined && { fieldPath }),
      },
      type,
      reason,
      message,
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      eventTime: null,
      source: { ...this.#source },
      reportingComponent: this.#source.component,
      reportingInstance: this.#source.host ?? "",
    });
    this.#told.set(key, event);
    if (this.#told.size > MEMORY) this.#told.delete(this.#told.keys().next().value ?? "");
  }
}
