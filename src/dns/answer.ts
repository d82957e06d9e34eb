/** @module A DNS message in, a DNS message out (RFC 1035, RFC 6891): the zone's answers on the wire. */
import {
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type Packet,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from "dns-packet";
import type { Found, Zone } from "./zone.ts";

/** As CoreDNS's kubernetes plugin is set up by kubeadm. */
const TTL_SECONDS = 30;
const PLAIN_UDP = 512;
const MOST_UDP = 4096;
/** The length before a message has two octets (RFC 1035 §4.2.2). */
const MOST_TCP = 65_535;
const NXDOMAIN = 3;
const SERVFAIL = 2;
const REFUSED = 5;

type Answer = NonNullable<Packet["answers"]>[number];

/**
 * @param limit - over UDP and TCP there is room for so much; an answer that is too long is cut, and says so
 * @returns undefined for what is no question: nobody is answered who did not ask
 */
export function answer(zone: Zone, message: Buffer, limit: "udp" | "tcp"): Buffer | undefined {
  let question: Packet;
  try {
    question = decode(message);
  } catch {
    return undefined;
  }
  if (question.type !== "query") return undefined;
  const [asked] = question.questions ?? [];
  const opt = question.additionals?.find(({ type }) => type === "OPT") as
    | { udpPayloadSize?: number }
    | undefined;
  const flags = ((question.flags ?? 0) & RECURSION_DESIRED) | RECURSION_AVAILABLE;
  const response: Packet & {
    questions: NonNullable<Packet["questions"]>;
    answers: Answer[];
    authorities: Answer[];
    additionals: Answer[];
  } = {
    type: "response",
    id: question.id ?? 0,
    flags,
    questions: question.questions ?? [],
    answers: [],
    authorities: [],
    additionals: [],
  };
  if (!asked) response.flags = flags | REFUSED;
  else if (!zone.covers(asked.name)) {
    // There is no one further out to ask.
    response.flags = flags | SERVFAIL;
  } else {
    const found = zone.lookup(asked.name, asked.type);
    response.flags = flags | AUTHORITATIVE_ANSWER | (found.exists ? 0 : NXDOMAIN);
    response.answers = inTurn(found.answers, response.id ?? 0).map(recordOf);
    response.additionals = found.additional.map(recordOf);
    if (response.answers.length === 0) response.authorities = [authorityOf(zone)];
  }
  if (opt) {
    response.additionals.push({
      type: "OPT",
      name: ".",
      udpPayloadSize: MOST_UDP,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: [],
    } as unknown as Answer);
  }
  const bytes = encode(response);
  const udp = Math.min(MOST_UDP, Math.max(PLAIN_UDP, opt?.udpPayloadSize ?? PLAIN_UDP));
  return cut(response, bytes, limit === "tcp" ? MOST_TCP : udp);
}

/**
 * Most clients take the first address: each has its turn, as with CoreDNS's `loadbalance`. Aliases stay before what
 * they lead to.
 * @param turn - any number; a question's id is as good as chance
 */
function inTurn(answers: readonly Found[], turn: number): readonly Found[] {
  const addresses = answers.filter(({ data }) => data.type === "A" || data.type === "AAAA");
  if (addresses.length < 2) return answers;
  const others = answers.filter((one) => !addresses.includes(one));
  const first = turn % addresses.length;
  return [...others, ...addresses.slice(first), ...addresses.slice(0, first)];
}

/** As many answers as there is room for. Cost: the logarithm of their number, encodings. */
function cut(response: Packet & { answers: Answer[] }, whole: Buffer, room: number): Buffer {
  if (whole.length <= room) return whole;
  const { answers } = response;
  const flags = (response.flags ?? 0) | TRUNCATED_RESPONSE;
  const only = (count: number): Buffer =>
    encode({ ...response, flags, answers: answers.slice(0, count), authorities: [], additionals: [] });
  let [fits, tooMany] = [0, answers.length];
  while (tooMany - fits > 1) {
    const middle = (fits + tooMany) >> 1;
    if (only(middle).length <= room) fits = middle;
    else tooMany = middle;
  }
  return only(fits);
}

function recordOf({ name, data }: Found): Answer {
  const common = { name, ttl: TTL_SECONDS, class: "IN" } as const;
  switch (data.type) {
    case "A":
    case "AAAA":
      return { ...common, type: data.type, data: data.address };
    case "CNAME":
    case "PTR":
      return { ...common, type: data.type, data: data.target };
    case "SRV": {
      const { target, port, priority, weight } = data;
      return { ...common, type: "SRV", data: { target, port, priority, weight } };
    }
    case "TXT":
      return { ...common, type: "TXT", data: data.text };
    default:
      return data satisfies never;
  }
}

function authorityOf(zone: Zone): Answer {
  return {
    name: zone.domain,
    type: "SOA",
    ttl: TTL_SECONDS,
    class: "IN",
    data: {
      mname: `ns.dns.${zone.domain}`,
      rname: `hostmaster.${zone.domain}`,
      serial: Math.floor(Date.now() / 1000),
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: TTL_SECONDS,
    },
  };
}
