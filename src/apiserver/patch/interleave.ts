/** @module The order of a list that two parties know different items of. */

/**
 * Orders the items of a merged list: those that one party wants, in its order; of the others each before the first wanted
 * item which it stood before, and else at the end. Both orders are kept.
 *
 * @param by.fresh - where a wanted item goes that the list did not have: before or behind the others that may stand there
 * @param by.wanted - keys in the order that is wanted
 * @param by.current - keys in the order that the list had
 */
export function interleave<Item>(
  items: readonly Item[],
  by: {
    readonly wanted: readonly string[];
    readonly current: readonly string[];
    readonly keyOf: (item: Item) => string;
    readonly fresh: "first" | "last";
  },
): Item[] {
  const wantedRank = new Map(by.wanted.map((key, index) => [key, index]));
  const currentRank = new Map(by.current.map((key, index) => [key, index]));
  const keyed = items.map((item) => ({ item, key: by.keyOf(item) }));
  const wanted = keyed
    .filter(({ key }) => wantedRank.has(key))
    .sort((left, right) => (wantedRank.get(left.key) ?? 0) - (wantedRank.get(right.key) ?? 0));
  const rank = (key: string): number => currentRank.get(key) ?? currentRank.size;
  const others = keyed
    .filter(({ key }) => !wantedRank.has(key))
    .sort((left, right) => rank(left.key) - rank(right.key));
  // Behind which of the others a wanted item goes: those that stood before it, or before the next that has a place.
  const places: number[] = [];
  let place = by.fresh === "first" ? -1 : Number.POSITIVE_INFINITY;
  for (const [index, { key }] of [...wanted.entries()].reverse()) {
    const own = currentRank.get(key);
    places[index] = own ?? place;
    if (by.fresh === "last") place = own ?? place;
  }
  const result: Item[] = [];
  let next = 0;
  for (const [index, { item }] of wanted.entries()) {
    for (let other = others[next]; other && rank(other.key) < (places[index] ?? -1); other = others[next]) {
      result.push(other.item);
      next += 1;
    }
    result.push(item);
  }
  return [...result, ...others.slice(next).map(({ item }) => item)];
}
