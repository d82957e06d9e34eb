/** @module The host-side interface name of a pod. */

/** Every interface that Tortie makes on a node for a pod starts with this; rules match on it. */
export const POD_INTERFACE_PREFIX = "tt";

const FNV_OFFSET = 0xcbf29ce484222325n;
const FNV_PRIME = 0x100000001b3n;
const MASK_64 = (1n << 64n) - 1n;

/**
 * The name of the interface at the node's end of a pod's link: the prefix and 64 bits of FNV-1a in base 32, 15
 * characters in all, which is the longest that Linux takes (IFNAMSIZ - 1).
 *
 * @param podKey - `namespace/name`
 * @returns the same name for the same pod, always; two pods of one node share a name once in 2^32 nodes or so
 */
export function podInterfaceName(podKey: string): string {
  let hash = FNV_OFFSET;
  for (let index = 0; index < podKey.length; index++) {
    hash = ((hash ^ BigInt(podKey.charCodeAt(index))) * FNV_PRIME) & MASK_64;
  }
  // FNV leaves the high bits of short texts alike; folding them is for people who compare names by eye.
  hash ^= hash >> 29n;
  return POD_INTERFACE_PREFIX + hash.toString(32).padStart(13, "0");
}
