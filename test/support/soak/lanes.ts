/** @module Who disturbs when: some lanes at a time with what a user does, and one with what happens to a machine. */
import { setTimeout as sleep } from "node:timers/promises";
import { Random } from "../random.ts";
import { BAD_PODS } from "./bad-pods.ts";
import { CONFINED_PODS } from "./confined-pods.ts";
import { type Disturbance, wordsOf } from "./disturbance.ts";
import { FULL_DISKS } from "./full-disks.ts";
import { HOSTILE_BYTES } from "./hostile-bytes.ts";
import { KILLS } from "./kills.ts";
import { ORDINARY_PODS } from "./ordinary-pods.ts";
import type { Scene } from "./scene.ts";
import { STREAMS } from "./streams.ts";

const USES: readonly Disturbance[] = [
  ...ORDINARY_PODS,
  ...CONFINED_PODS,
  ...BAD_PODS,
  ...STREAMS,
  ...HOSTILE_BYTES,
];
const DISASTERS: readonly Disturbance[] = [...KILLS, ...FULL_DISKS];
const USERS = 3;

export interface Tally {
  done: number;
  /** Did not come to its end because of a disaster at the same time. */
  interrupted: number;
  /** Why it is not done here. */
  readonly missing: string | undefined;
}

/** Gives each of its kinds once before it gives one again, in an order of the seed. */
class Deck {
  readonly #kinds: readonly Disturbance[];
  readonly #random: Random;
  #left: Disturbance[] = [];
  #drawn = 0;

  constructor(kinds: readonly Disturbance[], random: Random) {
    this.#kinds = kinds;
    this.#random = random;
  }

  draw(): Disturbance {
    if (this.#left.length === 0) this.#left = [...this.#kinds];
    const [drawn] = this.#left.splice(this.#random.below(this.#left.length), 1);
    if (!drawn) throw new Error("there are no disturbances");
    this.#drawn++;
    return drawn;
  }

  /** Whether it has given each of its kinds. */
  get isThrough(): boolean {
    return this.#drawn >= this.#kinds.length;
  }
}

export interface LanesOptions {
  readonly scene: Scene;
  readonly seed: number;
  readonly isOver: () => boolean;
  /** What has to hold again after a disaster. */
  readonly afterDisaster: (what: string) => Promise<void>;
}

export class Lanes {
  readonly #options: LanesOptions;
  readonly tallies = new Map<string, Tally>();
  readonly problems: string[] = [];
  /** Odd while there is a disaster. */
  #disasters = 0;

  constructor(options: LanesOptions) {
    this.#options = options;
    for (const { what, missing } of [...USES, ...DISASTERS])
      this.tallies.set(what, { done: 0, interrupted: 0, missing: missing?.(options.scene) });
  }

  /**
   * Everything once, but for full disks: what a process makes at its first use and keeps, such as a thread for a set of
   * capabilities, is no leak. Kills come first, for a new process has not been used.
   */
  async warmUp(): Promise<void> {
    const { scene, seed } = this.#options;
    const once = async ({ what, run }: Disturbance): Promise<void> => {
      try {
        await run(scene, new Random(seed));
        this.#note(what, "done");
      } catch (error) {
        this.problems.push(`${what}: ${wordsOf(error)}`);
      }
    };
    for (const one of KILLS) await once(one);
    const uses = this.#possible(USES);
    const { length } = uses;
    for (let from = 0; from < length; from += USERS)
      await Promise.all(uses.slice(from, from + USERS).map(once));
  }

  async run(): Promise<void> {
    const { seed } = this.#options;
    const uses = new Deck(this.#possible(USES), new Random(seed));
    const disasters = new Deck(this.#possible(DISASTERS), new Random(seed + 1));
    await Promise.all([
      ...Array.from({ length: USERS }, (_, user) => this.#use(uses, new Random(seed + 2 + user))),
      this.#wreck(disasters, new Random(seed + 2 + USERS)),
    ]);
  }

  #possible(kinds: readonly Disturbance[]): readonly Disturbance[] {
    return kinds.filter(({ what }) => this.tallies.get(what)?.missing === undefined);
  }

  #note(what: string, outcome: "done" | "interrupted"): void {
    const tally = this.tallies.get(what);
    if (tally) tally[outcome]++;
  }

  async #use(deck: Deck, random: Random): Promise<void> {
    const { scene, isOver } = this.#options;
    // However slow the machine is, nothing is left out.
    while (!isOver() || !deck.isThrough) {
      const disturbance = deck.draw();
      const before = this.#disasters;
      try {
        await disturbance.run(scene, random);
        this.#note(disturbance.what, "done");
      } catch (error) {
        if (before % 2 === 1 || before !== this.#disasters) this.#note(disturbance.what, "interrupted");
        else this.problems.push(`${disturbance.what}: ${wordsOf(error)}`);
      }
    }
  }

  async #wreck(deck: Deck, random: Random): Promise<void> {
    const { scene, isOver, afterDisaster } = this.#options;
    while (!isOver() || !deck.isThrough) {
      await sleep(random.between(500, 4000));
      const { what, run } = deck.draw();
      this.#disasters++;
      try {
        await run(scene, random);
        await afterDisaster(what);
        this.#note(what, "done");
      } catch (error) {
        this.problems.push(`${what}: ${wordsOf(error)}`);
      }
      this.#disasters++;
    }
  }
}
