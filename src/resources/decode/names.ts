/**
 * @module Rules for names, labels and ports, in the API server's words.
 * @see https://github.com/kubernetes/kubernetes staging/src/k8s.io/apimachinery/pkg/api/validate/content
 */

const DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const DNS_SUBDOMAIN = `${DNS_LABEL}(\\.${DNS_LABEL})*`;
const DNS_1035_LABEL = "[a-z]([-a-z0-9]*[a-z0-9])?";
const LABEL_NAME = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE = `(${LABEL_NAME})?`;

const DNS_LABEL_PATTERN = new RegExp(`^${DNS_LABEL}$`);
const DNS_SUBDOMAIN_PATTERN = new RegExp(`^${DNS_SUBDOMAIN}$`);
const DNS_1035_LABEL_PATTERN = new RegExp(`^${DNS_1035_LABEL}$`);
const LABEL_NAME_PATTERN = new RegExp(`^${LABEL_NAME}$`);

/** A rule for a text. @returns what is wrong with it, empty when nothing is */
export type TextRule = (text: string) => string[];

export const checkDnsLabel: TextRule = (text) => {
  const problems = tooLong(text, 63);
  if (DNS_LABEL_PATTERN.test(text)) return problems;
  if (DNS_SUBDOMAIN_PATTERN.test(text)) return [...problems, "must not contain dots"];
  const rule =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
  return [...problems, mismatch(rule, DNS_LABEL, ["my-name", "123-abc"])];
};

export const checkDnsSubdomain: TextRule = (text) => {
  const problems = tooLong(text, 253);
  if (DNS_SUBDOMAIN_PATTERN.test(text)) return problems;
  const rule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
  return [...problems, mismatch(rule, DNS_SUBDOMAIN, ["example.com"])];
};

/** Names of Services. */
export const checkDns1035Label: TextRule = (text) => {
  const problems = tooLong(text, 63);
  if (DNS_1035_LABEL_PATTERN.test(text)) return problems;
  const rule =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
  return [...problems, mismatch(rule, DNS_1035_LABEL, ["my-name", "abc-123"])];
};

export const checkLabelKey: TextRule = (text) => {
  // Nearly every key passes here; the long way is for the message.
  if (text.length <= 63 && LABEL_NAME_PATTERN.test(text)) return [];
  const parts = text.split("/");
  const rule =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
  const explained = mismatch(rule, LABEL_NAME, ["MyName", "my.name", "123-abc"]);
  if (parts.length > 2) {
    return [
      `a valid label key ${explained} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  const problems: string[] = [];
  const name = parts.at(-1) ?? "";
  if (parts.length === 2) {
    const prefix = parts[0] ?? "";
    const wrong = prefix === "" ? ["must be non-empty"] : checkDnsSubdomain(prefix);
    problems.push(...wrong.map((problem) => `prefix part ${problem}`));
  }
  if (name === "") problems.push("name part must be non-empty");
  else problems.push(...tooLong(name, 63).map((problem) => `name part ${problem}`));
  if (!LABEL_NAME_PATTERN.test(name)) problems.push(`name part ${explained}`);
  return problems;
};

export const checkLabelValue: TextRule = (text) => {
  const problems = tooLong(text, 63);
  if (text === "" || LABEL_NAME_PATTERN.test(text)) return problems;
  const rule =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
  return [...problems, mismatch(rule, LABEL_VALUE, ["MyValue", "my_value", "12345"])];
};

/** IANA_SVC_NAME: names of container ports, and of ports in policies. */
export const checkPortName: TextRule = (text) => {
  const problems = tooLong(text, 15);
  if (!/^[-a-z0-9]+$/.test(text)) {
    problems.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (!/[a-z]/.test(text)) problems.push("must contain at least one letter (a-z)");
  if (text.includes("--")) problems.push("must not contain consecutive hyphens");
  if (text.startsWith("-") || text.endsWith("-")) problems.push("must not begin or end with a hyphen");
  return problems;
};

export function checkPortNumber(port: number): string[] {
  return 1 <= port && port <= 65535 ? [] : ["must be between 1 and 65535, inclusive"];
}

function tooLong(text: string, limit: number): string[] {
  return text.length > limit ? [`must be no more than ${limit} bytes`] : [];
}

function mismatch(rule: string, pattern: string, examples: readonly string[]): string {
  return `${rule} (e.g. ${examples.map((example) => `'${example}', `).join(" or ")}regex used for validation is '${pattern}')`;
}
