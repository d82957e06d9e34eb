/** @module The host-side interface name of a pod. */

/** A node's link to the others and to the world, where the network is ours. */
export const UPLINK = "eth0";

/** Every interface that Tortie makes on a node for a pod starts with this; rules match on it. */
export const POD_INTERFACE_PREFIX = "tt";

const FNV_OFFSET = 0xcbf29ce484222325n;
const FNV_PRIME = 0x100000001b3n;
const MASK_64 = (1n << 64n) - 1n;

/**
 * The name of the interface at the node's end of a pod's link: the prefix and a hash of 64 bits in base 32, 15
 * characters in all, which is the longest that Linux takes (IFNAMSIZ - 1).
 *
 * @param podKey - `namespace/name`
 * @returns the same name for the same pod, always; that two of 10,000 pods share one is less likely than 1 in 10^11
 */
export function podInterfaceName(podKey: string): string {
  let hash = FNV_OFFSET;
  for (let index = 0; index < podKey.length; index++) {
    hash = ((hash ^ BigInt(podKey.charCodeAt(index))) * FNV_PRIME) & MASK_64;
  }
  // FNV leaves the high bits of like texts alike; the finalizer of MurmurHash3 spreads every bit over all.
  hash = ((hash ^ (hash >> 33n)) * 0xff51afd7ed558ccdn) & MASK_64;
  hash = ((hash ^ (hash >> 33n)) * 0xc4ceb9fe1a85ec53n) & MASK_64;
  hash ^= hash >> 33n;
  return POD_INTERFACE_PREFIX + hash.toString(32).padStart(13, "0");
}
