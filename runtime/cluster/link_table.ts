/**
 * The links between the members, as they are now: what was measured by messages of its own when two
 * nodes met, corrected by what the nodes' traffic shows since then. Pure.
 *
 * A probe measures messages from actor to actor, traffic the link alone. What the first takes more is
 * kept as the pair's overhead, so that a latency by traffic and one by a probe mean the same.
 *
 * @module
 */
import type { LinkReport, NodeLinks } from "../../actors/mod.ts";

/** A link in one direction. */
export interface LinkSpeed {
  /** Latency of a message, seconds. */
  seconds: number;
  /** Bandwidth, bytes a second. */
  bytesPerS: number;
}

/** A link in one direction, and its nodes. */
export interface LinkNow extends LinkSpeed {
  from: string;
  to: string;
}

/** A bandwidth that is older than this may be measured again. Milliseconds. */
const OLD_MS = 600_000;
/** Nodes that had nothing to do for this time may be disturbed by a probe. Milliseconds. */
const QUIET_MS = 180_000;

/** What is known of two nodes. */
interface Pair {
  /** Latency by the last probe, seconds; undefined: none succeeded. */
  probedS?: number;
  /** Seconds by which it exceeds half of the round trip; undefined: no traffic told since. */
  overheadS?: number;
  /** Round trip that each of the two nodes sees last, milliseconds. */
  readonly roundTrips: Map<string, number>;
  /** Bandwidth from each of the two nodes, and when it was measured, milliseconds. */
  readonly rates: Map<string, { bytesPerS: number; at: number }>;
}

/** See the module's text. Times are milliseconds of one monotonic clock. */
export class LinkTable {
  readonly #pairs = new Map<string, Pair>();
  /** For how long each node had nothing to do when it told last, and when that was. */
  readonly #quiet = new Map<string, { quietMs: number; at: number }>();

  /** Forgets all but these nodes. */
  keep(nodes: Iterable<string>): void {
    const here = new Set(nodes);
    for (const key of this.#pairs.keys()) {
      if (!key.split(" ").every((node) => here.has(node))) this.#pairs.delete(key);
    }
    for (const node of this.#quiet.keys()) if (!here.has(node)) this.#quiet.delete(node);
  }

  /** Node `from` has measured its link to node `to`. */
  probed(from: string, to: string, report: LinkReport, at: number): void {
    const { seconds, bytes_per_s, bytes_per_s_back } = report;
    const pair = this.#pair(from, to);
    pair.probedS = seconds;
    pair.overheadS = undefined;
    pair.rates.set(from, { bytesPerS: bytes_per_s, at });
    pair.rates.set(to, { bytesPerS: bytes_per_s_back, at });
  }

  /** A node tells what its traffic shows. */
  reported(node: string, { quiet_ms, links }: NodeLinks, at: number): void {
    this.#quiet.set(node, { quietMs: quiet_ms, at });
    for (const { node: peer, round_trip_ms, bytes_per_s, age_ms } of links) {
      if (peer === node) continue;
      const pair = this.#pair(node, peer);
      if (round_trip_ms !== null) pair.roundTrips.set(node, round_trip_ms);
      const measuredAt = at - (age_ms ?? 0);
      const known = pair.rates.get(peer);
      if (bytes_per_s !== null && !(known && known.at > measuredAt)) {
        pair.rates.set(peer, { bytesPerS: bytes_per_s, at: measuredAt });
      }
      const halfS = halfRoundTripS(pair);
      if (halfS !== undefined && pair.probedS !== undefined) {
        pair.overheadS ??= Math.max(0, pair.probedS - halfS);
      }
    }
  }

  /** Whether a probe has measured this pair, or traffic has shown all of it. */
  has(a: string, b: string): boolean {
    return this.get(a, b) !== undefined;
  }

  /** The link from a node to another one; undefined: too little is known of it. */
  get(from: string, to: string): LinkSpeed | undefined {
    const pair = this.#pairs.get(keyOf(from, to));
    if (!pair) return undefined;
    const { rates, probedS, overheadS = 0 } = pair;
    const rate = rates.get(from) ?? rates.get(to);
    const halfS = halfRoundTripS(pair);
    const seconds = halfS === undefined ? probedS : halfS + overheadS;
    return rate && seconds !== undefined ? { seconds, bytesPerS: rate.bytesPerS } : undefined;
  }

  /** All links of which enough is known, in both directions. */
  list(): LinkNow[] {
    return [...this.#pairs.keys()].flatMap((key) => {
      const [a, b] = key.split(" ");
      return [[a, b], [b, a]].flatMap(([from, to]) => {
        const link = this.get(from, to);
        return link ? [{ from, to, ...link }] : [];
      });
    });
  }

  /**
   * Two nodes whose bandwidth was measured longest ago and may be out of date; undefined: there are
   * none, or all that there are have something to do, which a probe would disturb.
   */
  stale(at: number): [from: string, to: string] | undefined {
    const quiet = (node: string) => {
      const told = this.#quiet.get(node);
      return told !== undefined && told.quietMs >= QUIET_MS && at - told.at < QUIET_MS;
    };
    const old = [...this.#pairs].map(([key, { rates }]) => {
      const [from, to] = key.split(" ") as [string, string];
      const measured = [from, to].map((node) => rates.get(node)?.at ?? -Infinity);
      return { from, to, at: Math.min(...measured) };
    }).filter((pair) => at - pair.at >= OLD_MS && quiet(pair.from) && quiet(pair.to));
    const oldest = old.sort((a, b) => a.at - b.at)[0];
    return oldest && [oldest.from, oldest.to];
  }

  #pair(a: string, b: string): Pair {
    const key = keyOf(a, b);
    let pair = this.#pairs.get(key);
    if (!pair) this.#pairs.set(key, pair = { roundTrips: new Map(), rates: new Map() });
    return pair;
  }
}

/** Node ids have no spaces. */
const keyOf = (a: string, b: string): string => a < b ? `${a} ${b}` : `${b} ${a}`;

/** Half of the shorter of the round trips that the two ends see: load makes one longer. Seconds. */
function halfRoundTripS({ roundTrips }: Pair): number | undefined {
  return roundTrips.size === 0 ? undefined : Math.min(...roundTrips.values()) / 2000;
}
