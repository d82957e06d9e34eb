/** @module One figure: what was measured, what came out, what the design aims at. */
export interface Row {
  readonly what: string;
  readonly value: string;
  readonly aim: string;
  readonly note?: string;
}

export type Print = (row: Row) => void;
