/**
 * Finds out whether the links are still those that the last plan was made for. Pure.
 *
 * A link has changed when a message of decoding or of a prompt takes half as long again, or as much
 * shorter, and that for three looks in a row: one look may fall into a bad moment. What is compared
 * with moves with each plan, so that a link which stays changed is no reason for a second one.
 *
 * @module
 */
import type { LinkNow } from "./link_table.ts";

/** A message that takes this share more or less time has changed. */
const TOLERANCE = 0.5;
/** Changes below this are none: a token takes many times as long. Seconds. */
const LEAST_S = 0.001;
/** Looks in a row that must agree. */
const LOOKS = 3;
/** Bytes of a frame of decoding with some rows, and of a piece of a prompt. */
const MESSAGES: readonly number[] = [8 * 1024, 256 * 1024];

/** A link that has changed. */
export interface LinkChange {
  from: string;
  to: string;
  /** Bytes of the message that shows it. */
  bytes: number;
  /** Seconds that the message took when the plan was made, and takes now. */
  beforeS: number;
  nowS: number;
}

/** See the module's text. */
export class LinkDrift {
  /** The links that the plan was made with, by {@linkcode keyOf}. */
  #planned = new Map<string, LinkNow>();
  /** The nodes that the plan gives work to. */
  #used: ReadonlySet<string> = new Set();
  /** For how many looks each link has been slower (above 0) or faster (below 0). */
  #looks = new Map<string, number>();

  /** A plan was made with these links, which gives work to these nodes. */
  planned(links: readonly LinkNow[], used: Iterable<string>): void {
    this.#planned = new Map(links.map((link) => [keyOf(link), link]));
    this.#used = new Set(used);
    this.#looks.clear();
  }

  /** The first link that has changed; undefined: none has. Call it at even intervals. */
  look(links: readonly LinkNow[]): LinkChange | undefined {
    const looks = new Map<string, number>();
    let found: LinkChange | undefined;
    for (const link of links) {
      const key = keyOf(link);
      const before = this.#planned.get(key);
      const change = before && changed(before, link);
      if (!change || !this.#matters(change)) continue;
      const step = change.nowS > change.beforeS ? 1 : -1;
      const last = this.#looks.get(key) ?? 0;
      const count = Math.sign(last) === step ? last + step : step;
      looks.set(key, count);
      if (Math.abs(count) >= LOOKS) found ??= change;
    }
    this.#looks = looks;
    return found;
  }

  /** A slower link between nodes of which one has no work changes nothing about the plan. */
  #matters({ from, to, nowS, beforeS }: LinkChange): boolean {
    return nowS < beforeS || (this.#used.has(from) && this.#used.has(to));
  }
}

const keyOf = ({ from, to }: LinkNow): string => `${from} ${to}`;

const timeOf = ({ seconds, bytesPerS }: LinkNow, bytes: number): number =>
  seconds + bytes / bytesPerS;

/** The message that shows a change best; undefined: none does. */
function changed(before: LinkNow, now: LinkNow): LinkChange | undefined {
  const { from, to } = now;
  const changes = MESSAGES.map((bytes) => ({
    from,
    to,
    bytes,
    beforeS: timeOf(before, bytes),
    nowS: timeOf(now, bytes),
  }));
  const ratio = ({ beforeS, nowS }: LinkChange) =>
    Math.max(nowS / beforeS, beforeS / Math.max(nowS, Number.MIN_VALUE));
  return changes
    .filter((c) => ratio(c) > 1 + TOLERANCE && Math.abs(c.nowS - c.beforeS) > LEAST_S)
    .sort((a, b) => ratio(b) - ratio(a))[0];
}
