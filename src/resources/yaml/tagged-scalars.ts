/**
 * @module What a scalar means with the tag that it has, as kubectl's reader (go-yaml v2) has it: a tag of YAML's own must
 * fit what the text looks like, and with any other tag the text is text.
 */
import { getScalarValue, SCALAR_STYLE, type ScalarEvent } from "js-yaml";
import { ConstructError } from "./construct-error.ts";
import { BooleanWord, resolveNumber, resolvePlain } from "./scalars.ts";

const CORE = "tag:yaml.org,2002:";

/** The tag in its short form; "" where there is none. */
export function tagOf(text: string, event: ScalarEvent): string {
  if (event.tagStart < 0) return "";
  const written = text.slice(event.tagStart, event.tagEnd);
  const tag = /^!<(.*)>$/s.exec(written)?.[1] ?? written;
  return tag.startsWith(CORE) ? `!!${tag.slice(CORE.length)}` : tag;
}

/** @throws ConstructError where the text is not what its tag says */
export function readScalar(text: string, event: ScalarEvent): unknown {
  const value = getScalarValue(text, event);
  const tag = tagOf(text, event);
  switch (tag) {
    case "":
      return event.style === SCALAR_STYLE.PLAIN ? resolvePlain(value) : value;
    case "!!binary":
      return decodeBinary(value) ?? refuse("!!binary value contains invalid base64 data", event);
    case "!!null":
      return resolvePlain(value) === null ? null : refuse(mismatch(value, tag), event);
    case "!!bool": {
      const resolved = resolvePlain(value);
      if (resolved instanceof BooleanWord) return resolved.value;
      return typeof resolved === "boolean" ? resolved : refuse(mismatch(value, tag), event);
    }
    case "!!int":
    case "!!float": {
      const resolved = resolvePlain(value) === null ? undefined : resolveNumber(value);
      if (resolved === undefined || (tag === "!!int" && !isIntegerText(value, resolved)))
        return refuse(mismatch(value, tag), event);
      return resolved;
    }
    case "!!timestamp":
      return /^\d{4}-\d/.test(value) ? value : refuse(mismatch(value, tag), event);
    default:
      return value;
  }
}

/** `1.0` and `1e3` are floats whatever their value. */
function isIntegerText(text: string, value: number): boolean {
  return Number.isInteger(value) && (/^[-+]?0[xX]/.test(text) || !/[.eE]/.test(text));
}

function mismatch(value: string, tag: string): string {
  return `cannot decode \`${value}\` as a ${tag}`;
}

function refuse(message: string, event: ScalarEvent): never {
  throw new ConstructError("yaml-syntax", message, event.tagStart);
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The text whose UTF-8 is encoded; undefined for what is no base64. Line ends do not count. */
function decodeBinary(value: string): string | undefined {
  const encoded = value.replace(/[\r\n]/g, "");
  if (!BASE64.test(encoded)) return undefined;
  let escaped = "";
  let bits = 0;
  let count = 0;
  for (const character of encoded.replace(/=+$/, "")) {
    bits = ((bits << 6) | ALPHABET.indexOf(character)) & 0xffff;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    escaped += `%${((bits >> count) & 0xff).toString(16).padStart(2, "0")}`;
  }
  try {
    return decodeURIComponent(escaped);
  } catch (error) {
    // Bytes that are no text become what Go makes of them in JSON: a mark that no label may have.
    if (error instanceof URIError) return "\uFFFD";
    throw error;
  }
}
