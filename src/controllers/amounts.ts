/** @module Numbers as Kubernetes writes them: quantities of a resource, and a number or a part of a whole. */

const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** `500m` is 0.5, `1Gi` is 1073741824. What is no quantity is 0: the server has let it in, so nothing asks for it. */
export function parseQuantity(text: string | number | undefined): number {
  if (typeof text === "number") return text;
  const match = /^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]{0,2})$/.exec(text ?? "");
  const scale = SUFFIXES[match?.[2] ?? ""];
  const number = Number(match?.[1]);
  return match && scale !== undefined && !Number.isNaN(number) ? number * scale : 0;
}

/** A number, or per cent of a whole. */
export function amountOf(
  value: number | string | undefined,
  whole: number,
  rounding: "up" | "down",
): number | undefined {
  if (value === undefined || typeof value === "number") return value;
  const percent = /^([0-9]+)%$/.exec(value);
  if (!percent) return undefined;
  const amount = (Number(percent[1]) * whole) / 100;
  return rounding === "up" ? Math.ceil(amount) : Math.floor(amount);
}
