/** @module nslookup, as busybox 1.36 prints it, but with the search list of resolv.conf as older ones had it; dig +short. */
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import type { DnsAnswer, RecordType, Resolver } from "../images/dns.ts";
import { dnsQuery, parseDnsAnswer, parseResolvConf, RECORD_TYPES, searchNames } from "../images/dns.ts";
import { complain, place, print, resolveName } from "./program.ts";

const TIMEOUT_MS = 5_000;
const TRIES = 2;
const CODES: Readonly<Record<number, string>> = { 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED" };

/** @returns undefined when nobody answers */
function ask(server: string, name: string, type: RecordType): Promise<DnsAnswer | undefined> {
  const socket = createSocket(isIP(server) === 6 ? "udp6" : "udp4");
  const id = Math.floor(Math.random() * 65_536);
  return new Promise<DnsAnswer | undefined>((resolve) => {
    let tries = 0;
    let timer: NodeJS.Timeout | undefined;
    const attempt = (): void => {
      if (tries++ === TRIES) {
        resolve(undefined);
        return;
      }
      socket.send(dnsQuery(id, name, type));
      timer = setTimeout(attempt, TIMEOUT_MS);
    };
    socket.on("message", (message) => {
      const answer = parseDnsAnswer(message, id);
      if (!answer) return;
      clearTimeout(timer);
      resolve(answer);
    });
    socket.once("error", () => {
      clearTimeout(timer);
      resolve(undefined);
    });
    socket.connect(53, server, attempt);
  }).finally(() => socket.close());
}

function resolver(): Resolver {
  try {
    return parseResolvConf(readFileSync("/etc/resolv.conf", "utf8"));
  } catch {
    return { servers: ["127.0.0.1"], search: [], ndots: 1 };
  }
}

/** `10.0.0.1` as the name that a PTR record has. */
export function reverseName(address: string): string {
  return `${address.split(".").toReversed().join(".")}.in-addr.arpa`;
}

function records(answer: DnsAnswer, type: RecordType, asked: string): string {
  const wanted = answer.records.filter((one) => one.type === RECORD_TYPES[type]);
  const lines = wanted.map((one) =>
    type === "A" || type === "AAAA"
      ? `Name:\t${one.name}\nAddress: ${one.data}\n`
      : `${one.name || asked}\t${type === "PTR" ? "name" : type.toLowerCase()} = ${one.data}\n`,
  );
  return lines.join("");
}

async function lookUp(
  names: readonly string[],
  server: string,
  types: readonly RecordType[],
): Promise<number> {
  let last: { readonly name: string; readonly code: number } | undefined;
  for (const full of names) {
    const answers = await Promise.all(types.map((type) => ask(server, full, type)));
    if (answers.every((answer) => answer === undefined)) {
      complain(";; connection timed out; no servers could be reached\n\n");
      return 1;
    }
    const text = answers
      .map((answer, index) => (answer ? records(answer, types[index] ?? "A", full) : ""))
      .join("");
    if (text !== "") {
      print(`${text}\n`);
      return 0;
    }
    last = { name: full, code: answers.find((answer) => answer)?.code ?? 0 };
  }
  if (last?.code === 0) {
    print(`*** Can't find ${last.name}: No answer\n\n`);
    return 0;
  }
  print(`** server can't find ${last?.name ?? ""}: ${CODES[last?.code ?? 3] ?? "NXDOMAIN"}\n\n`);
  return 1;
}

export async function nslookup(words: readonly string[]): Promise<number> {
  const options = words.filter((word) => word.startsWith("-"));
  const [name, given] = words.filter((word) => !word.startsWith("-"));
  if (name === undefined) {
    complain("Usage: nslookup [-type=QUERY_TYPE] HOST [DNS_SERVER]\n");
    return 1;
  }
  const wanted = options.map((one) => /^-(?:query)?type=(\w+)$/i.exec(one)?.[1]?.toUpperCase()).find(Boolean);
  const known = (Object.keys(RECORD_TYPES) as RecordType[]).find((one) => one === wanted);
  const configuration = resolver();
  const server = given === undefined ? configuration.servers[0] : await resolveName(given);
  if (server === undefined) {
    complain(`nslookup: can't resolve '${given ?? ""}'\n`);
    return 1;
  }
  print(`Server:\t\t${given ?? server}\nAddress:\t${place(server, 53)}\n\n`);
  if (isIP(name) === 4) return lookUp([reverseName(name)], server, ["PTR"]);
  return lookUp(searchNames(name, configuration), server, known ? [known] : ["A", "AAAA"]);
}

/** `dig +short web.default.svc.cluster.local [@server] [TYPE]`. */
export async function dig(words: readonly string[]): Promise<number> {
  const types = Object.keys(RECORD_TYPES) as RecordType[];
  const plain = words.filter((word) => !/^[+@-]/.test(word));
  const type = types.find((one) => plain.some((word) => word.toUpperCase() === one)) ?? "A";
  const name = plain.find((word) => word.toUpperCase() !== type) ?? ".";
  const at = words.find((word) => word.startsWith("@"))?.slice(1);
  const configuration = resolver();
  const server = (at === undefined ? configuration.servers[0] : await resolveName(at)) ?? "127.0.0.1";
  const names = words.includes("+search") ? searchNames(name, configuration) : [name];
  let answer: DnsAnswer | undefined;
  for (const one of names) {
    answer = await ask(server, one, type);
    if (answer && answer.records.length > 0) break;
  }
  if (!answer) {
    print(";; connection timed out; no servers could be reached\n");
    return 9;
  }
  const number = RECORD_TYPES[type];
  for (const record of answer.records) {
    const data =
      isIP(record.data) === 0 && record.type !== RECORD_TYPES.TXT ? `${record.data}.` : record.data;
    if (words.includes("+short")) print(record.type === number ? `${data}\n` : "");
    else
      print(
        `${record.name}.\t5\tIN\t${types.find((one) => RECORD_TYPES[one] === record.type) ?? "?"}\t${data}\n`,
      );
  }
  return 0;
}
