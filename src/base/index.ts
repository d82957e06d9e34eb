/** @module Values that every room speaks: addresses, issues, failures, sets of bits. */
export * from "./bitset.ts";
export * from "./cidr-set.ts";
export * from "./errors.ts";
export * from "./hash.ts";
export * from "./ip.ts";
export * from "./issue.ts";
