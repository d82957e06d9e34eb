/** @module The priority of pods that name no class: that of the class which says that it is the default. */
import type { Store, Watch } from "../store/store.ts";
import { stringAt } from "./json.ts";
import { DEFAULT_PREEMPTION } from "./kinds/priority-class.ts";
import { objectOf } from "./objects.ts";
import type { Draft } from "./served.ts";

export const PRIORITY_CLASSES = "/registry/scheduling.k8s.io/priorityclasses/";

export interface Priority {
  /** "" for none. */
  readonly className: string;
  readonly value: number;
  readonly preemption: string;
}

const NO_CLASS: Priority = { className: "", value: 0, preemption: DEFAULT_PREEMPTION };

/** Follows the classes of the store: each pod asks, and they hardly ever change. */
export class DefaultPriority {
  readonly #store: Store;
  /** Known only as long as a watch would tell that it is another. */
  #known: Priority | undefined;
  #watch: Watch | undefined;
  #changes = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  async start(): Promise<void> {
    const forget = (): void => {
      this.#changes++;
      this.#known = undefined;
    };
    this.#watch = this.#store.watch(PRIORITY_CLASSES, await this.#store.revision(), {
      events: forget,
      failed: () => {
        this.#watch = undefined;
        forget();
      },
    });
  }

  /** As of the last change that was told. */
  async get(): Promise<Priority> {
    return this.#known ?? this.read();
  }

  /** As it is in the store. Of several, which only an older store may have, the lowest. */
  async read(): Promise<Priority> {
    const changes = this.#changes;
    const { entries } = await this.#store.list(PRIORITY_CLASSES);
    const found = entries
      .filter(({ value }) => value.includes('"globalDefault":true'))
      .map(objectOf)
      .filter((object) => object["globalDefault"] === true)
      .map(priorityOf);
    const priority = found.sort((a, b) => a.value - b.value)[0] ?? NO_CLASS;
    // What changed while the list was on its way is read the next time.
    if (this.#watch && changes === this.#changes) this.#known = priority;
    return priority;
  }

  close(): void {
    this.#watch?.close();
    this.#watch = undefined;
    this.#known = undefined;
  }
}

export function priorityOf(object: Readonly<Draft>): Priority {
  return {
    className: object.metadata.name,
    value: Number(object["value"] ?? 0),
    preemption: stringAt(object, "preemptionPolicy") ?? DEFAULT_PREEMPTION,
  };
}
