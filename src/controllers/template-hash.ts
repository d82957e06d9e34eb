/** @module Names for pod templates, in the style of Kubernetes: ten characters that spell no words. */
import { canonical } from "./equal.ts";

/** As apimachinery's rand.SafeEncodeString. */
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

/** FNV-1a of 32 bits. */
function fnv(text: string): number {
  let hash = 0x811c9dc5;
  for (let place = 0; place < text.length; place++) {
    hash = Math.imul(hash ^ (text.charCodeAt(place) & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (text.charCodeAt(place) >>> 8), 0x01000193);
  }
  return hash >>> 0;
}

/** @param collisions - how often the name was found to be taken by another template */
export function templateHash(template: unknown, collisions = 0): string {
  const digits = String(fnv(canonical(template) + (collisions > 0 ? `#${collisions}` : ""))).padStart(
    10,
    "0",
  );
  return [...digits].map((digit) => ALPHABET[digit.charCodeAt(0) % ALPHABET.length]).join("");
}
