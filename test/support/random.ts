/** @module A seeded source of choices: equal seeds give equal clusters on every machine, so a failure can be replayed. */

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 1). Mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  between(first: number, last: number): number {
    return first + this.below(last - first + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(values: readonly T[]): T {
    if (values.length === 0) throw new Error("nothing to pick from");
    return values[this.below(values.length)] as T;
  }

  some<T>(values: readonly T[], atMost = values.length): T[] {
    const rest = [...values];
    const taken: T[] = [];
    const count = this.between(1, Math.min(atMost, rest.length));
    while (taken.length < count) taken.push(...rest.splice(this.below(rest.length), 1));
    return taken;
  }
}
