/**
 * A member as a fetch sees it: what it has, how quick it is, and how busy.
 *
 * @module
 */
import {
  type BlobBytes,
  type Clock,
  hasCode,
  type Holdings,
  toOrreryError,
} from "../../actors/mod.ts";
import type { BlobRequest } from "./blob_request.ts";
import { Pacer } from "./pacer.ts";

/** Reads the store of one member. */
export interface BlobSource {
  /** Id of the member's node. */
  readonly node: string;
  /** What it has of these blobs, at most `MOST_BLOBS`; see `WeightStore.have`. */
  have(blobs: readonly BlobRequest[], signal: AbortSignal): Promise<Holdings>;
  /** See `WeightStore.blob`; fewer bytes than asked for, where requests run at the member. */
  read(
    range: { sha256: string; offset: number; length: number },
    signal: AbortSignal,
  ): Promise<BlobBytes>;
}

/** Requests in flight to one member while nothing else needs the link. */
export const PEER_REQUESTS = 4;
/**
 * Milliseconds that a request should take while a request of a client runs. Each request costs
 * about the same processor time, however short it is: with 10 ms a generation on a slow device lost
 * half as much again for fewer bytes.
 */
const PACED_MS = 20;
/** Least and most bytes of such a request. */
const PACED_LEAST_BYTES = 16 * 1024;
const PACED_MOST_BYTES = 128 * 1024;
/** Bytes of the first of them, when nothing is known of the link. */
const PACED_FIRST_BYTES = 32 * 1024;
/** Pause after a failed request, in milliseconds; it doubles with each failure. */
const PAUSE_MS = 500;
const MOST_PAUSE_MS = 30_000;
/** A member that failed so often in a row is taken to have nothing, until it says otherwise. */
const MOST_FAILURES = 4;
/** Weight of the newest measurement in an average, 0 to 1. */
const NEWEST = 0.3;
/** Codes of errors that say that the node cannot be reached. */
const GONE = ["peer_lost", "unknown_peer", "no_owner", "closed", "node_lost"];

/** See the module's text. */
export class BlobPeer {
  readonly source: BlobSource;
  /** Lets one request at a time through while requests of clients run at the member. */
  readonly pacer: Pacer;
  /** Bytes of each blob that the member has whole, and of each that it has in part. */
  whole = new Map<string, number>();
  partial = new Map<string, number>();
  /** Whether it was asked what it has, however that ended. */
  asked = false;
  /** Why it could not be asked last; undefined: it answered. */
  why?: string;
  /** Pieces that are fetched from it now. */
  inFlight = 0;
  running = false;
  readers = 1;
  /** Average milliseconds of a piece; undefined: none has come yet. */
  pieceMs?: number;
  /** When its last bytes came, milliseconds of the clock. */
  heardAt = -Infinity;
  readonly #clock: Clock;
  #failures = 0;
  /** Nothing is asked of it before. */
  #notBefore = 0;
  /** Average bytes a millisecond of a request. */
  #rate?: number;

  constructor(source: BlobSource, clock: Clock) {
    this.source = source;
    this.#clock = clock;
    this.pacer = new Pacer(clock);
  }

  get node(): string {
    return this.source.node;
  }

  /** Whether it may be asked for bytes now. */
  get open(): boolean {
    return this.#clock.now() >= this.#notBefore;
  }

  /** Bytes to ask for at once while requests of clients run. */
  get pacedBytes(): number {
    if (this.#rate === undefined) return PACED_FIRST_BYTES;
    return Math.max(PACED_LEAST_BYTES, Math.min(PACED_MOST_BYTES, this.#rate * PACED_MS));
  }

  /** It has said what it has. */
  says({ blobs, running, readers }: Holdings): void {
    this.asked = true;
    this.why = undefined;
    this.running = running;
    this.readers = readers;
    const of = (whole: boolean) =>
      new Map(blobs.filter((b) => b.whole === whole).map((b) => [b.sha256, b.bytes]));
    this.whole = of(true);
    this.partial = of(false);
  }

  /** It has sent bytes, in so many milliseconds. */
  sent({ data, running, readers }: BlobBytes, ms: number): void {
    this.running = running;
    this.readers = readers;
    this.heardAt = this.#clock.now();
    this.#failures = 0;
    this.#rate = average(this.#rate, data.length / Math.max(0.1, ms));
  }

  /** A whole piece has come from it, in so many milliseconds. */
  delivered(ms: number): void {
    this.pieceMs = average(this.pieceMs, ms);
  }

  /** It could not be asked what it has, or for bytes. */
  failed(error: unknown): void {
    this.asked = true;
    this.why = toOrreryError(error).message;
    const pause = Math.min(MOST_PAUSE_MS, PAUSE_MS * 2 ** this.#failures++);
    this.#notBefore = this.#clock.now() + pause;
    if (this.#failures >= MOST_FAILURES || GONE.some((code) => hasCode(error, code))) {
      this.whole.clear();
      this.partial.clear();
    }
  }
}

const average = (before: number | undefined, value: number): number =>
  before === undefined ? value : before + NEWEST * (value - before);
