/** @module What can be said of a cluster's settings before anything of it is made. */
import { OpError } from "../base/errors.ts";
import { type Cidr, formatCidr, parseCidr } from "../base/ip.ts";
import { nodeName, podCidrsOf, type Settings } from "./settings.ts";
import { checkStore } from "./store-choice.ts";

/** Where nodes have their addresses, and what no pod and no Service can have (RFC 6890). */
const TAKEN: readonly (readonly [string, string])[] = [
  ["172.18.0.0/16", "where nodes have their addresses"],
  ["fd00:172:18::/64", "where nodes have their addresses"],
  ["127.0.0.0/8", "every machine's loopback"],
  ["0.0.0.0/8", "no network's"],
  ["169.254.0.0/16", "link-local"],
  ["224.0.0.0/3", "for multicast, or reserved"],
  ["::/127", "every machine's loopback"],
  ["fe80::/10", "link-local"],
  ["ff00::/8", "for multicast"],
];
/** The API has a Service network's first address and DNS its tenth. */
const LEAST_SERVICE_BITS = 4;

const LISTS = ["podNetworks", "serviceNetworks", "loadBalancers"] as const;
const WORDS = { podNetworks: "pods", serviceNetworks: "Services", loadBalancers: "LoadBalancers" } as const;

/** @throws OpError `input-invalid` for networks that cannot be, that overlap, or that are too small */
export function checkSettings(settings: Settings): void {
  checkStore(settings.store);
  const given = LISTS.flatMap((list) => settings[list].map((text) => ({ list, cidr: networkOf(text) })));
  for (const list of ["podNetworks", "serviceNetworks"] as const) {
    const families = given.filter((one) => one.list === list).map(({ cidr }) => cidr.family);
    if (families.length === 0) refuse(`a cluster needs a network for its ${WORDS[list]}`);
    if (new Set(families).size < families.length)
      refuse(`${WORDS[list]} have one network of each family at most`);
  }
  for (const [index, { list, cidr }] of given.entries()) {
    for (const [text, whose] of TAKEN)
      if (overlap(cidr, networkOf(text)))
        refuse(`${formatCidr(cidr)} cannot be for ${WORDS[list]}: ${text} is ${whose}`);
    for (const other of given.slice(0, index))
      if (overlap(cidr, other.cidr)) {
        refuse(
          `${formatCidr(cidr)} for ${WORDS[list]} and ${formatCidr(other.cidr)} for ${WORDS[other.list]} overlap`,
        );
      }
    const bits = (cidr.family === 4 ? 32 : 128) - cidr.prefix;
    if (list === "serviceNetworks" && bits < LEAST_SERVICE_BITS)
      refuse(`${formatCidr(cidr)} is too small for Services: it needs ${2 ** LEAST_SERVICE_BITS} addresses`);
  }
  for (let index = 0; index < settings.nodes; index++) {
    // It says itself what does not fit.
    if (podCidrsOf(settings, index).length === 0) refuse(`${nodeName(index)} has no addresses for pods`);
  }
}

function refuse(words: string): never {
  throw new OpError(words, { code: "input-invalid" });
}

function networkOf(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed) return refuse(`${text} is not a CIDR`);
  if (parsed.hostBits) return refuse(`${text} is not a CIDR; did you mean ${formatCidr(parsed.cidr)}?`);
  return parsed.cidr;
}

function overlap(a: Cidr, b: Cidr): boolean {
  if (a.family !== b.family) return false;
  const shift = BigInt((a.family === 4 ? 32 : 128) - Math.min(a.prefix, b.prefix));
  return a.bits >> shift === b.bits >> shift;
}
