/**
 * Fetches blobs from all members that have them, in parallel.
 *
 * A blob is cut into pieces; whichever member is free gets the next one. When all pieces are under
 * way, a member that is idle also fetches the one that another has been at for longest, so a slow
 * one holds up nothing. A member that fails is left alone for a while; what it had under way goes to
 * others. While requests of clients run, here or at a member, requests for pieces become small and
 * take turns (see `pacer.ts`).
 *
 * @module
 */
import { type Clock, hasCode, MOST_BLOBS, OrreryError } from "../../actors/mod.ts";
import { BlobPeer, type BlobSource, PEER_REQUESTS } from "./blob_peer.ts";
import { type FetchProgress, Speed, SPEED_MS } from "./fetch_progress.ts";
import { nobodyHas } from "./nobody_has.ts";
import { Pacer, pauseOf } from "./pacer.ts";
import type { BlobRequest } from "./blob_request.ts";
import { type BlobTarget, type PieceClaim, WantedBlob } from "./wanted_blob.ts";

/** Requests in flight to all members together. */
const MOST_REQUESTS = 16;
/** The same while requests of clients run here; they take turns. */
const RUNNING_REQUESTS = 2;
/** Blobs that are open at a time: members may have different ones. */
const MOST_OPEN = 32;
/** Milliseconds between two questions to a member what it has, while a blob lacks one, or else. */
const POLL_MS = 1_000;
const POLL_SLOWLY_MS = 5_000;
/** Milliseconds between two looks at whether something can go on. */
const LOOK_MS = 100;
/** Milliseconds for which a blob may be nobody's: members learn late what the cluster serves. */
const PATIENCE_MS = 15_000;
/** An idle member takes over a piece that was under way for so many times as long as it takes. */
const STEAL_FACTOR = 2;
/** The same in milliseconds, at least, and where it is not known how long it takes. */
const STEAL_LEAST_MS = 50;
const STEAL_UNKNOWN_MS = 1_000;

/** Options of {@linkcode fetchBlobs}. */
export interface FetchOptions {
  /** Name of the model that the blobs are of. */
  model: string;
  /** What is fetched. The order is not kept. */
  blobs: BlobRequest[];
  /** The members that are asked. */
  sources: BlobSource[];
  target: BlobTarget;
  clock: Clock;
  /** Uniform in [0, 1): nodes that fetch the same begin with different blobs. */
  random: () => number;
  /** Whether a request of a client runs at this node or through its stages. */
  running: () => boolean;
  /** true: nobody waits for it, so members send one piece at a time. @default false */
  background?: boolean;
  /** Ends the fetch; what has arrived is kept. */
  signal: AbortSignal;
  /** Called whenever bytes have arrived. */
  onProgress?: (progress: FetchProgress) => void;
  /** Called when a member has sent wrong bytes of a blob; it is asked for that one no more. */
  onWrong?: (wrong: { node: string; blob: BlobRequest; why: string }) => void;
}

/**
 * Fetches blobs, and resolves when all are whole. Throws `weights_missing` (group `cluster`) when
 * no member has a blob, `model/disk_full`, and the signal's reason.
 */
export async function fetchBlobs(options: FetchOptions): Promise<void> {
  options.signal.throwIfAborted();
  if (options.blobs.length > 0) await new BlobFetch(options).run();
}

/** A member sent what it was not asked for. */
const wrongBytes = (message: string) =>
  new OrreryError({ group: "cluster", code: "wrong_bytes", message });

class BlobFetch {
  readonly #options: FetchOptions;
  readonly #blobs: WantedBlob[];
  readonly #peers: BlobPeer[];
  readonly #pacer: Pacer;
  readonly #speed = new Speed();
  readonly #result = Promise.withResolvers<void>();
  /** Ends requests and timers when the fetch is over. */
  readonly #over = new AbortController();
  readonly #timers = new Set<() => void>();

  constructor(options: FetchOptions) {
    const { blobs, sources, clock, random } = options;
    this.#options = options;
    this.#blobs = shuffled(blobs, random).map((request) => new WantedBlob(request));
    this.#peers = sources.map((source) => new BlobPeer(source, clock));
    this.#pacer = new Pacer(clock);
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    const abort = () => this.#result.reject(signal.reason);
    signal.addEventListener("abort", abort);
    for (const peer of this.#peers) void this.#poll(peer);
    this.#look();
    try {
      await this.#result.promise;
    } finally {
      signal.removeEventListener("abort", abort);
      this.#over.abort(signal.reason);
      for (const cancel of this.#timers) cancel();
      for (const blob of this.#blobs) {
        if (blob.state !== "checking") blob.close(); // else its file is closed by the check
        if (blob.aside) void this.#options.target.discard(blob.aside.path);
      }
    }
  }

  get #ended(): boolean {
    return this.#over.signal.aborted;
  }

  /** Calls `fn` after `ms`, unless the fetch is over by then. */
  #after(ms: number, fn: () => void): void {
    if (this.#ended) return;
    const cancel = this.#options.clock.after(ms, () => {
      this.#timers.delete(cancel);
      fn();
    });
    this.#timers.add(cancel);
  }

  /** Looks again and again at what can go on. */
  #look(): void {
    this.#pump();
    this.#after(LOOK_MS, () => this.#look());
  }

  /** Asks a member again and again what it has. */
  async #poll(peer: BlobPeer): Promise<void> {
    const lacking = this.#blobs.filter((b) => b.state !== "done").map((b) => b.request)
      .slice(0, MOST_BLOBS);
    try {
      peer.says(await peer.source.have(lacking, this.#over.signal));
    } catch (error) {
      if (this.#ended) return;
      peer.failed(error);
    }
    this.#pump();
    const found = this.#blobs.every((b) => b.state === "done" || this.#holders(b).length > 0);
    this.#after(found ? POLL_SLOWLY_MS : POLL_MS, () => void this.#poll(peer));
  }

  #holders(blob: WantedBlob): BlobPeer[] {
    return this.#peers.filter((peer) => blob.has(peer));
  }

  /** Gives every member that is free something to do, and ends the fetch where it is over. */
  #pump(): void {
    if (this.#ended) return;
    if (this.#blobs.every((b) => b.state === "done")) return this.#result.resolve();
    for (const blob of this.#blobs) this.#checkOrphan(blob);
    for (let given = true; given;) {
      given = false;
      for (const peer of this.#peers.toSorted((a, b) => a.inFlight - b.inFlight)) {
        if (!this.#free(peer)) continue;
        const next = this.#next(peer) ?? this.#stolen(peer);
        if (!next) continue;
        void this.#fetchPiece(peer, next.blob, next.piece);
        given = true;
      }
    }
  }

  /** Whether this member may be asked for one more piece now. */
  #free(peer: BlobPeer): boolean {
    const { running, background } = this.#options;
    const inAll = this.#peers.reduce((sum, p) => sum + p.inFlight, 0);
    const each = background || running() || peer.running ? 1 : PEER_REQUESTS;
    return peer.open && peer.inFlight < each &&
      inAll < (running() ? RUNNING_REQUESTS : MOST_REQUESTS);
  }

  /** A piece that nobody fetches; opens a further blob where this member has no such one. */
  #next(peer: BlobPeer): { blob: WantedBlob; piece: number } | undefined {
    let unopened: WantedBlob | undefined;
    let fewest = Infinity;
    let open = 0;
    for (const blob of this.#blobs) {
      if (blob.state === "open" || blob.state === "opening") open++;
      if (!blob.has(peer)) continue;
      if (blob.state === "open" && blob.free.length > 0) return { blob, piece: blob.free.pop()! };
      if (blob.state !== "closed") continue;
      // The one that the fewest members have comes first: they may leave.
      const holders = this.#holders(blob).length;
      if (holders < fewest) [unopened, fewest] = [blob, holders];
    }
    if (unopened && open < MOST_OPEN) void this.#open(unopened, peer);
    return undefined;
  }

  /** The piece that another member has been at for too long. */
  #stolen(peer: BlobPeer): { blob: WantedBlob; piece: number } | undefined {
    const now = this.#options.clock.now();
    let longest = Math.max(STEAL_LEAST_MS, STEAL_FACTOR * (peer.pieceMs ?? STEAL_UNKNOWN_MS));
    let found: { blob: WantedBlob; piece: number } | undefined;
    for (const blob of this.#blobs) {
      if (blob.state !== "open" || !blob.has(peer)) continue;
      for (const [piece, claims] of blob.claims) {
        if (claims.length > 1 || claims[0].peer === peer || now - claims[0].at < longest) continue;
        longest = now - claims[0].at;
        found = { blob, piece };
      }
    }
    return found;
  }

  async #open(blob: WantedBlob, peer: BlobPeer): Promise<void> {
    blob.state = "opening";
    try {
      const bytes = blob.sizeOf(peer);
      const file = await this.#options.target.openPartial(
        blob.sha256,
        bytes,
        this.#over.signal,
      );
      if (this.#ended) return file?.[Symbol.dispose]();
      if (!file) {
        blob.state = "done";
        blob.done = bytes;
      } else {
        blob.opened(file);
        this.#report();
        if (blob.left === 0) return await this.#check(blob);
      }
    } catch (error) {
      return this.#result.reject(error);
    }
    this.#pump();
  }

  async #fetchPiece(peer: BlobPeer, blob: WantedBlob, piece: number): Promise<void> {
    const { clock } = this.#options;
    const claim: PieceClaim = { peer, at: clock.now(), abort: new AbortController() };
    const file = blob.file!;
    blob.claims.set(piece, [...blob.claims.get(piece) ?? [], claim]);
    peer.inFlight++;
    let data: Uint8Array | undefined;
    try {
      const signal = AbortSignal.any([this.#over.signal, claim.abort.signal]);
      data = await this.#read(peer, blob.sha256, { ...file.range(piece), signal });
      peer.delivered(clock.now() - claim.at);
    } catch (error) {
      if (!this.#ended && !claim.abort.signal.aborted) this.#failed(peer, blob, error);
    }
    peer.inFlight--;
    if (this.#ended) return;
    if (blob.file !== file) return this.#pump(); // it was begun anew
    const others = (blob.claims.get(piece) ?? []).filter((c) => c !== claim);
    if (!data) {
      if (!claim.abort.signal.aborted) {
        if (others.length > 0) blob.claims.set(piece, others);
        else {
          blob.claims.delete(piece);
          blob.free.push(piece);
        }
      }
      return this.#pump();
    }
    if (claim.abort.signal.aborted) return this.#pump(); // another member was quicker
    blob.claims.delete(piece);
    for (const { abort } of others) abort.abort();
    await this.#write(peer, blob, { piece, data });
  }

  async #write(
    peer: BlobPeer,
    blob: WantedBlob,
    { piece, data }: { piece: number; data: Uint8Array },
  ): Promise<void> {
    const file = blob.file!;
    blob.from.set(piece, peer.node);
    this.#pump(); // the disk and the link work at the same time
    try {
      await file.write(piece, data);
      if (this.#ended || blob.file !== file) return;
      blob.done += data.length;
      this.#speed.add(data.length, this.#options.clock.now());
      this.#report();
      if (--blob.left === 0) await this.#check(blob);
    } catch (error) {
      this.#result.reject(error); // the disk is full, or refuses
    }
  }

  /** Asks for the bytes of a piece, in one request or, while requests of clients run, in several. */
  async #read(
    peer: BlobPeer,
    sha256: string,
    { offset, length, signal }: { offset: number; length: number; signal: AbortSignal },
  ): Promise<Uint8Array> {
    const { clock, running } = this.#options;
    let whole: Uint8Array | undefined;
    for (let filled = 0;;) {
      const here = running();
      const pacer = here ? this.#pacer : peer.pacer;
      const over = await pacer.turn(() => here ? running() : peer.running, signal);
      const left = length - filled;
      const ask = running() || peer.running ? Math.min(left, Math.floor(peer.pacedBytes)) : left;
      const began = clock.now();
      let data: Uint8Array;
      try {
        const answer = await peer.source.read(
          { sha256, offset: offset + filled, length: ask },
          signal,
        );
        ({ data } = answer);
        peer.sent(answer, clock.now() - began);
        if (data.length === 0 || data.length > ask || (data.length < ask && !answer.running)) {
          throw wrongBytes(`it sent ${data.length} bytes when asked for ${ask}`);
        }
      } finally {
        over(peer.running ? peer.readers : 1);
      }
      if (data.length === length) return data;
      whole ??= new Uint8Array(length);
      whole.set(data, filled);
      filled += data.length;
      if (filled === length) return whole;
    }
  }

  /** A request for a piece failed. */
  #failed(peer: BlobPeer, blob: WantedBlob, error: unknown): void {
    if (hasCode(error, "wrong_bytes")) return this.#wrong(peer.node, blob, error.message);
    if (hasCode(error, "blob_missing") || hasCode(error, "not_served")) {
      return void peer.whole.delete(blob.sha256);
    }
    peer.failed(error);
    // Others may answer the question who sent wrong bytes as well.
    if (blob.alone === peer) blob.alone = this.#other(blob, peer) ?? peer;
  }

  #other(blob: WantedBlob, than: BlobPeer): BlobPeer | undefined {
    blob.alone = undefined;
    return this.#holders(blob).find((p) => p !== than);
  }

  /** A node sent wrong bytes of a blob. */
  #wrong(node: string, blob: WantedBlob, why: string): void {
    blob.exclude(node, why, this.#peers);
    this.#options.onWrong?.({ node, blob: blob.request, why });
  }

  /** All pieces are there: checks the hash. */
  async #check(blob: WantedBlob): Promise<void> {
    const { target, running, clock } = this.#options;
    const { signal } = this.#over;
    const pause = async (ms: number) => {
      if (running()) await pauseOf(clock, ms, signal);
    };
    blob.state = "checking";
    const file = blob.file!;
    try {
      const result = await file.finish({ signal, pause });
      if (result.state === "whole") {
        blob.state = "done";
        await this.#nameCulprits(blob);
        this.#report();
      } else {
        const { culprit, discard } = blob.wrong(result);
        if (discard !== undefined) await target.discard(discard);
        if (culprit !== undefined) {
          this.#wrong(culprit, blob, `its bytes have the hash ${result.actual}`);
        }
        if (blob.aside) blob.alone ??= this.#holders(blob)[0];
      }
    } catch (error) {
      file[Symbol.dispose]();
      this.#result.reject(error);
    }
    this.#pump();
  }

  /** The blob is right now: whoever sent other bytes of it before is named. */
  async #nameCulprits(blob: WantedBlob): Promise<void> {
    const { aside } = blob;
    if (!aside) return;
    blob.aside = undefined;
    const pieces = await this.#options.target.differingPieces(aside.path, blob.sha256);
    for (const node of new Set(pieces.map((piece) => aside.from.get(piece)!))) {
      this.#wrong(node, blob, "its bytes differ from those with the right hash");
    }
  }

  /** Ends the fetch where nobody has a blob, and nobody will. */
  #checkOrphan(blob: WantedBlob): void {
    if (blob.state === "done" || blob.state === "checking") return;
    const now = this.#options.clock.now();
    const partial = Math.max(0, ...this.#peers.map((p) => p.partial.get(blob.sha256) ?? 0));
    const grown = partial > blob.mostPartial;
    blob.mostPartial = Math.max(partial, blob.mostPartial);
    if (blob.alone && this.#holders(blob).length === 0) blob.alone = undefined;
    if (grown || this.#holders(blob).length > 0) return void (blob.orphanedAt = undefined);
    blob.orphanedAt ??= now;
    const hopeless = this.#peers.every((p) => blob.excluded.has(p.node));
    if (!hopeless && now - blob.orphanedAt < PATIENCE_MS) return;
    this.#result.reject(nobodyHas(this.#options.model, blob, this.#peers));
  }

  #report(): void {
    const { onProgress, model, clock, background = false } = this.#options;
    if (!onProgress) return;
    const now = clock.now();
    onProgress({
      model,
      doneBytes: this.#blobs.reduce((sum, blob) => sum + blob.done, 0),
      totalBytes: this.#blobs.reduce((sum, blob) => sum + (blob.bytes ?? 0), 0),
      bytesPerS: this.#speed.at(now),
      peers: this.#peers.filter((p) => p.heardAt > now - SPEED_MS).length,
      background,
    });
  }
}

/** The items in a random order. */
function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items.map((item) => ({ item, at: random() })).sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
