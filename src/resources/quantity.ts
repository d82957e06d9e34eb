/** @module Amounts as Kubernetes writes them: `100m`, `1.5Gi`, `2e3`. */

const QUANTITY = /^([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([KMGTPE]i|[numkMGTPE])|([eE][+-]?\d+))?$/;
const DIVISORS: Readonly<Record<string, number>> = { n: 1e9, u: 1e6, m: 1e3 };
const FACTORS: Readonly<Record<string, number>> = {
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

/** @returns undefined for what is no quantity */
export function quantityOf(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  const [, number, suffix = "", exponent = ""] = (typeof value === "string" && QUANTITY.exec(value)) || [];
  if (number === undefined) return undefined;
  // Dividing rounds as the same amount written with a point does: 300m is 0.3.
  return (Number(number + exponent) / (DIVISORS[suffix] ?? 1)) * (FACTORS[suffix] ?? 1);
}
