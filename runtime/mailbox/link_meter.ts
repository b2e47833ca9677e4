/**
 * What the traffic of a link shows of it, without any message of its own: the round trip of its
 * pings, and how fast large messages come in. Pure; the caller says what time it is.
 *
 * A loaded link must not be taken for a slow one, nor one message for the link:
 *
 * - **Round trip**: the shortest of each ten seconds, and of those the median of the last minute.
 *   Pings that had to share the link with much else do not count.
 * - **Bandwidth**: the upper quartile of the last large messages, as whatever else the link or the
 *   two nodes do can only slow a message down. A message counts from its first quarter on, when
 *   TCP has found its pace, and only while little came from other nodes.
 *
 * @module
 */

/** Pings of so many milliseconds give one shortest round trip. */
const SPAN_MS = 10_000;
/** The median of this many spans, of which at least `LEAST_SPANS` must have a ping that counts. */
const SPANS = 6;
const LEAST_SPANS = 3;
/** A ping does not count where the link was used beyond this share of its bandwidth. */
const LOADED_SHARE = 0.25;
/** The bandwidth that is assumed for this while none was measured: 10 Mbit/s. Bytes a second. */
const ASSUMED_BYTES_PER_S = 1.25e6;
/** Bytes between two pings that heartbeats alone may have. */
const HEARTBEAT_BYTES = 8 * 1024;

/** Large messages that the bandwidth rests on: at most, and at least. */
const RATES = 8;
const LEAST_RATES = 4;
/** Older ones do not count together with new ones. Milliseconds. */
const RATES_MS = 600_000;
/** A message that takes less time than this says more of the clock than of the link. Milliseconds. */
const LEAST_MS = 2;
/** Bytes from other nodes in the meantime, as a share of the message's, above which it does not count. */
const OTHERS_SHARE = 0.2;

/** Messages of this size and more are timed. Bytes. */
export const LARGE_BYTES: number = 128 * 1024;

/** What is known of the link to a peer. */
export interface LinkFigures {
  /** Round trip of a small message, milliseconds; undefined: too few pings counted lately. */
  roundTripMs?: number;
  /** Bytes a second from the peer to this node; undefined: too few large messages came so far. */
  bytesPerS?: number;
  /** Milliseconds since `bytesPerS` was last measured; undefined: it never was. */
  ageMs?: number;
  /** Milliseconds since the link carried more than heartbeats. */
  quietMs: number;
}

/** A part of a large message that came. */
export interface TimedPart {
  /** Bytes of the part, and the milliseconds that it took. */
  bytes: number;
  ms: number;
  /** Bytes that came from other nodes meanwhile. */
  others: number;
}

/** See the module's text. Times are milliseconds of one monotonic clock. */
export class LinkMeter {
  /** The shortest round trip of each span, milliseconds; the latest comes last. */
  #spans: { since: number; ms: number }[] = [];
  #pingAt: number;
  /** Bytes that the link had carried at the last ping. */
  #bytes = 0;
  #busyAt: number;
  /** Bytes a second of large messages; the latest comes last. */
  #rates: { at: number; rate: number }[] = [];
  #bytesPerS?: number;
  #rateAt = 0;

  /** @param at When the link began. */
  constructor(at: number) {
    this.#pingAt = at;
    this.#busyAt = at;
  }

  /** A ping was answered after `ms`; `bytes`: what the link has carried so far, both ways. */
  pinged(at: number, { ms, bytes }: { ms: number; bytes: number }): void {
    const carried = bytes - this.#bytes;
    const seconds = (at - this.#pingAt) / 1000;
    this.#bytes = bytes;
    this.#pingAt = at;
    if (carried > HEARTBEAT_BYTES) this.#busyAt = at;
    const most = LOADED_SHARE * seconds * (this.#bytesPerS ?? ASSUMED_BYTES_PER_S);
    if (carried > Math.max(HEARTBEAT_BYTES, most)) return;
    const last = this.#spans.at(-1);
    if (last && at - last.since < SPAN_MS) last.ms = Math.min(last.ms, ms);
    else this.#spans = [...this.#spans.slice(1 - SPANS), { since: at, ms }];
  }

  /** A part of a large message came. */
  received(at: number, { bytes, ms, others }: TimedPart): void {
    if (ms < LEAST_MS || others > OTHERS_SHARE * bytes) return;
    const recent = this.#rates.filter((known) => at - known.at < RATES_MS);
    this.#rates = [...recent.slice(1 - RATES), { at, rate: bytes / ms * 1000 }];
    const sorted = this.#rates.map(({ rate }) => rate).sort((a, b) => a - b);
    if (sorted.length < LEAST_RATES) return;
    this.#bytesPerS = sorted[Math.ceil(0.75 * sorted.length) - 1];
    this.#rateAt = at;
  }

  /** What is known now. */
  figures(at: number): LinkFigures {
    const spans = this.#spans.filter(({ since }) => at - since < (SPANS + 1) * SPAN_MS)
      .map(({ ms }) => ms).sort((a, b) => a - b);
    return {
      roundTripMs: spans.length < LEAST_SPANS ? undefined : spans[spans.length >> 1],
      bytesPerS: this.#bytesPerS,
      ageMs: this.#bytesPerS === undefined ? undefined : at - this.#rateAt,
      quietMs: at - this.#busyAt,
    };
  }
}

/** Finds out how long the later parts of large messages take to come. */
export class ArrivalTimer {
  /** When the first quarter of the message was there, and what had come by then. */
  #start?: { at: number; have: number; total: number };

  /**
   * Call it for each chunk of a stream, with the message that was incomplete before it. Returns the
   * timed part of a large message that this chunk completes.
   *
   * @param total Bytes that came from all nodes so far, this chunk not counted.
   */
  chunk(
    at: number,
    { bytes, pending, total }: {
      bytes: number;
      pending: { have: number; want: number } | undefined;
      total: number;
    },
  ): TimedPart | undefined {
    if (!pending || pending.want < LARGE_BYTES) return void (this.#start = undefined);
    const { have, want } = pending;
    const start = this.#start;
    if (have + bytes >= want) {
      this.#start = undefined;
      if (!start) return undefined;
      const part = want - start.have;
      return { bytes: part, ms: at - start.at, others: total - start.total - (have - start.have) };
    }
    if (!start && 4 * (have + bytes) >= want) {
      this.#start = { at, have: have + bytes, total: total + bytes };
    }
    return undefined;
  }
}
