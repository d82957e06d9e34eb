/** @module Numbers as Kubernetes writes them: quantities of a resource, and a number or a part of a whole. */

import { quantityOf } from "../resources/quantity.ts";

/** What is no quantity is 0: the server has let it in, so nothing asks for it. */
export function parseQuantity(text: string | number | undefined): number {
  return quantityOf(text) ?? 0;
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
