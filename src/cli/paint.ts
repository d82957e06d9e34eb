/** @module Colour, where the terminal has it. A verdict always has a word or a sign besides its colour. */
import pico from "picocolors";

export interface Paint {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
}

export function paintFor(io: { readonly colour: boolean }): Paint {
  const colours = pico.createColors(io.colour);
  return {
    good: colours.green,
    bad: colours.red,
    warn: colours.yellow,
    dim: colours.dim,
    bold: colours.bold,
  };
}
