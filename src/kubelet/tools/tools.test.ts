import { expect, test } from "vitest";
import { dnsQuery, hostsEntry, parseDnsAnswer, parseResolvConf, searchNames } from "../images/dns.ts";
import { splitHostPort } from "./agnhost.ts";
import { writeOut } from "./curl.ts";
import { portRange } from "./nc.ts";
import { reverseName } from "./nslookup.ts";
import { durationMs, parseOptions, UsageError } from "./options.ts";

const RULES = {
  flags: "qS",
  values: "OT",
  long: { quiet: "q", timeout: "T", header: "header" },
  longValues: ["header"],
};

test.each([
  [["-q", "-O", "-", "url"], { q: "", O: "-" }, ["url"]],
  [["-qO-", "url"], { q: "", O: "-" }, ["url"]],
  [["--timeout=5", "url", "-q"], { T: "5", q: "" }, ["url"]],
  [["--timeout", "5", "url"], { T: "5" }, ["url"]],
  [["--header", "a: b", "--", "-q"], { header: "a: b" }, ["-q"]],
])("options of %j", (words, expected, rest) => {
  const options = parseOptions(words, RULES);
  expect(options.rest).toEqual(rest);
  for (const [name, value] of Object.entries(expected)) expect(options.get(name)).toBe(value);
});

test.each([[["-x"]], [["--nope"]], [["-O"]]])("%j is refused", (words) => {
  expect(() => parseOptions(words, RULES)).toThrow(UsageError);
});

test.each([
  ["5", 5_000],
  ["2.5", 2_500],
  ["5s", 5_000],
  ["300ms", 300],
  ["1m", 60_000],
  ["x", undefined],
])("%s is %s ms", (text, ms) => {
  expect(durationMs(text)).toBe(ms);
});

test("a range of ports", () => {
  expect([portRange("80"), portRange("80-82"), portRange("82-80"), portRange("0")]).toEqual([
    [80],
    [80, 81, 82],
    undefined,
    undefined,
  ]);
});

test.each([
  ["10.0.0.1:80", { host: "10.0.0.1", port: 80 }],
  ["[fd00::1]:80", { host: "fd00::1", port: 80 }],
  ["web", undefined],
  ["fd00::1:80", undefined],
])("agnhost connect %s", (text, expected) => {
  expect(splitHostPort(text)).toEqual(expected);
});

test("curl -w", () => {
  expect(writeOut("%{http_code}\\n", { status: 200 }, 1)).toBe("200\n");
  expect(writeOut("%{http_code} %{nope}", {}, 1)).toBe("000 ");
});

test("resolv.conf and its search list", () => {
  const resolver = parseResolvConf("nameserver 10.96.0.10\nsearch a.local b.local\noptions ndots:2\n");
  expect(searchNames("web", resolver)).toEqual(["web.a.local", "web.b.local", "web"]);
  expect(searchNames("a.b.c", resolver)).toEqual(["a.b.c", "a.b.c.a.local", "a.b.c.b.local"]);
  expect(searchNames("web.", resolver)).toEqual(["web"]);
  expect(hostsEntry("10.0.0.1 web x # y\n", "x")).toBe("10.0.0.1");
  expect(reverseName("10.0.0.1")).toBe("1.0.0.10.in-addr.arpa");
});

test("a DNS answer, with compressed names", () => {
  const query = dnsQuery(7, "web.local", "A");
  const answer = Buffer.concat([
    query,
    Buffer.from("c00c00010001000000050004", "hex"),
    Buffer.from([10, 0, 0, 1]),
  ]);
  answer[2] = 0x85;
  answer.writeUInt16BE(1, 6);
  expect(parseDnsAnswer(answer, 7)).toEqual({
    code: 0,
    authoritative: true,
    records: [{ name: "web.local", type: 1, data: "10.0.0.1" }],
  });
  expect(parseDnsAnswer(answer, 8)).toBeUndefined();
  expect(parseDnsAnswer(answer.subarray(0, 20), 7)).toBeUndefined();
});
