/**
 * Notices within about a second that a node which requests need has fallen silent, so that other nodes
 * can stand in for it while it is not known whether it is dead (`node_watch.ts` takes longer, since a
 * node that is taken for dead has to join again). To be wrong costs one rebuild of the node's layers at
 * their backups; the node stays a member.
 *
 * A silence counts when a ping has been unanswered for half of it, when it is unusual for the node's
 * link, when it is longer by as much as this node itself lags with reading, and when none of the other
 * members that are asked reaches the node either. A node that is heard
 * again right after others stood in for it was only slow: from then on it is given twice the time, for a
 * while.
 *
 * @module
 */
import type { Silence, WatchWorld } from "./health.ts";
import { askOthers } from "./votes.ts";

/** Milliseconds between two looks, at least. */
const LOOK_MS = 250;
/** A silence of this length is looked into, and one of this length counts. Milliseconds. */
const ASK_MS = 750;
const SILENT_MS = 1_000;
/** A silence that is likelier than one in 10^PHI is nothing unusual. */
const PHI = 2;
/** Milliseconds that a round of questions may take, and that a probe in it takes. */
const ROUND_MS = 900;
const PROBE_MS = 350;
/** Most members that are asked. */
const VOTERS = 3;
/** Milliseconds after which a node that is heard again was not just slow. */
const SLOW_MS = 1_000;
/** Most times that the silence which counts is doubled; beyond that the node is dead anyway. */
const MOST_DOUBLINGS = 2;
/** Milliseconds after which a node's slowness is forgotten. */
const FORGET_MS = 300_000;

/** What {@linkcode StandIns} does to the world, and knows of it. */
export interface StandInWorld extends Pick<WatchWorld, "now" | "after" | "reach" | "refuses"> {
  /** Ids of the nodes that requests need now. */
  needed(): Iterable<string>;
  /** Whether others could stand in for this node. */
  replaceable(node: string): boolean;
  /** Members that may be asked about others. */
  voters(node: string): string[];
  /** For how long a node has been silent; undefined: it is not watched. */
  silence(node: string): Silence | undefined;
  /** This node has fallen silent: others should stand in for it. False: nobody does. */
  silent(node: string, why: string): boolean;
  /** This node is heard again, in whose place others stood in. */
  back(node: string): void;
}

/** What is known of a node that was silent. */
interface Slowness {
  doublings: number;
  /** When others last stood in for it, and whether it has been heard since. */
  at: number;
  heard: boolean;
}

/** See the module's text. */
export class StandIns {
  readonly #world: StandInWorld;
  readonly #asking = new Set<string>();
  readonly #slow = new Map<string, Slowness>();
  #lookedAt: number;

  /** Nobody is silent. */
  constructor(world: StandInWorld) {
    this.#world = world;
    this.#lookedAt = world.now();
  }

  /** Looks at all nodes that are needed; to be called again and again. */
  look(): void {
    const now = this.#world.now();
    if (now - this.#lookedAt < LOOK_MS / 2) return;
    // What waits to be read after this node stood still may be what the others have sent.
    const late = now - this.#lookedAt > 2 * LOOK_MS;
    this.#lookedAt = now;
    for (const [node, slow] of this.#slow) this.#review(node, slow, now);
    if (late) return;
    for (const node of this.#world.needed()) {
      const least = ASK_MS * this.#factor(node);
      if (this.#asking.has(node) || !this.#isSilent(node, least)) continue;
      if (this.#slow.get(node)?.heard === false) continue; // others stand in for it already
      if (!this.#world.replaceable(node)) continue;
      this.#asking.add(node);
      void this.#ask(node).finally(() => this.#asking.delete(node));
    }
  }

  /** Learns from a node that is heard again, and forgets what is long ago. */
  #review(node: string, slow: Slowness, now: number): void {
    const silence = this.#world.silence(node);
    if (!slow.heard && silence && silence.ms < LOOK_MS) {
      slow.heard = true;
      this.#world.back(node);
      const wrong = now - slow.at <= SLOW_MS;
      if (wrong) slow.doublings = Math.min(MOST_DOUBLINGS, slow.doublings + 1);
    }
    if (now - slow.at > FORGET_MS) this.#slow.delete(node);
  }

  #factor(node: string): number {
    return 2 ** (this.#slow.get(node)?.doublings ?? 0);
  }

  #isSilent(node: string, leastMs: number): boolean {
    const silence = this.#world.silence(node);
    if (!silence) return false;
    const { ms, phi, readingMs } = silence;
    return ms >= leastMs + readingMs && phi >= PHI;
  }

  async #ask(node: string): Promise<void> {
    const world = this.#world;
    const voters = world.voters(node).slice(0, VOTERS);
    const began = world.now();
    const { by, answers } = await askOthers({
      after: (ms, fn) => world.after(ms, fn),
      reach: (voter) => world.reach(voter, node, PROBE_MS),
      refuses: () => world.refuses(node, PROBE_MS),
    }, { node, voters, voteMs: ROUND_MS, again: false, onLate() {} });
    if (by !== undefined) return;
    // Where nothing comes from any of the others, this node's own link is the likeliest fault.
    const hears = voters.some((voter) => (world.silence(voter)?.ms ?? Infinity) < ASK_MS);
    if (voters.length > 0 && answers === 0 && !hears) return;
    // A round that ended late, since this node stood still, shows nothing.
    if (world.now() - began > ROUND_MS + LOOK_MS) return;
    const least = SILENT_MS * this.#factor(node);
    const left = least - (world.silence(node)?.ms ?? 0);
    if (left > 0) await new Promise<void>((resolve) => void world.after(left, resolve));
    if (!this.#isSilent(node, least)) return;
    const seconds = (world.silence(node)!.ms / 1000).toFixed(1);
    if (!world.silent(node, `node ${node} has been silent for ${seconds} s`)) return;
    const doublings = this.#slow.get(node)?.doublings ?? 0;
    this.#slow.set(node, { doublings, at: world.now(), heard: false });
  }
}
