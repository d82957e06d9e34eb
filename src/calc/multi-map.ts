/** @module A map from a key to a set of values, without empty sets left behind. */
export class MultiMap<K, V> {
  readonly #sets = new Map<K, Set<V>>();

  add(key: K, value: V): void {
    const set = this.#sets.get(key);
    if (set) set.add(value);
    else this.#sets.set(key, new Set([value]));
  }

  delete(key: K, value: V): void {
    const set = this.#sets.get(key);
    if (!set) return;
    set.delete(value);
    if (set.size === 0) this.#sets.delete(key);
  }

  get(key: K): ReadonlySet<V> {
    return this.#sets.get(key) ?? (EMPTY as ReadonlySet<V>);
  }

  count(key: K): number {
    return this.#sets.get(key)?.size ?? 0;
  }

  get size(): number {
    return this.#sets.size;
  }

  keys(): IterableIterator<K> {
    return this.#sets.keys();
  }
}

const EMPTY: ReadonlySet<never> = new Set();
