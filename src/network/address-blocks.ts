/**
 * @module Pod addresses, allotted from blocks that belong to nodes, so that one route a block is enough. A node takes
 * its next block when the last one is full.
 */
import { must, OpError } from "../base/errors.ts";
import type { Cidr, Family, Ip } from "../base/ip.ts";
import { cidrRange, formatCidr, WIDTH } from "../base/ip.ts";

/** 64 addresses a block, as Calico has it: 1,024 blocks in a /16. */
export const BLOCK_PREFIX: Readonly<Record<Family, number>> = { 4: 26, 6: 122 };

export interface AddressBlock {
  readonly node: string;
  readonly cidr: Cidr;
}

interface OpenBlock {
  readonly first: bigint;
  readonly last: bigint;
  /** Nothing below this is free. */
  next: bigint;
}

/**
 * One family's pod network. Deterministic: the same calls in the same order give the same addresses.
 *
 * The first address of a block stays unused, as it is the node's own in networks that tunnel.
 */
export class AddressBlocks {
  readonly #network: Cidr;
  readonly #used = new Set<bigint>();
  readonly #blocks: AddressBlock[] = [];
  readonly #open = new Map<string, OpenBlock[]>();
  readonly #owned = new Set<bigint>();
  #nextBlock: bigint;

  /** @param network - at least as large as one block */
  constructor(network: Cidr) {
    this.#network = network;
    this.#nextBlock = network.bits;
  }

  /** Blocks in the order in which they were needed. */
  get blocks(): readonly AddressBlock[] {
    return this.#blocks;
  }

  /** Gives a node a certain block, as one that was planned earlier. */
  adopt(block: AddressBlock): void {
    const { first, last } = cidrRange(block.cidr);
    this.#owned.add(first);
    this.#blocks.push(block);
    const open = this.#open.get(block.node) ?? [];
    open.push({ first, last, next: first + 1n });
    this.#open.set(block.node, open);
  }

  /** Marks an address as taken. @returns false when it was taken before */
  reserve(ip: Ip): boolean {
    if (this.#used.has(ip.bits)) return false;
    this.#used.add(ip.bits);
    return true;
  }

  isUsed(ip: Ip): boolean {
    return this.#used.has(ip.bits);
  }

  /** The lowest free address of the node's oldest block with one. @throws OpError `address-space-full` */
  allot(node: string): Ip {
    const open = this.#open.get(node) ?? [];
    while (open.length > 0) {
      const block = must(open[0], "a node's open block");
      while (block.next <= block.last && this.#used.has(block.next)) block.next++;
      if (block.next <= block.last) {
        this.#used.add(block.next);
        return { family: this.#network.family, bits: block.next++ };
      }
      open.shift();
    }
    this.#takeBlock(node);
    return this.allot(node);
  }

  #takeBlock(node: string): void {
    const { family } = this.#network;
    const size = 1n << BigInt(WIDTH[family] - BLOCK_PREFIX[family]);
    const { last } = cidrRange(this.#network);
    while (this.#owned.has(this.#nextBlock)) this.#nextBlock += size;
    const end = this.#nextBlock + size - 1n;
    if (end > last) {
      throw new OpError(`no block is left in pod network ${formatCidr(this.#network)} for node ${node}`, {
        code: "address-space-full",
        facts: { node, network: formatCidr(this.#network), blocks: this.#blocks.length },
      });
    }
    this.adopt({ node, cidr: { family, bits: this.#nextBlock, prefix: BLOCK_PREFIX[family] } });
    this.#nextBlock += size;
  }
}
