/**
 * A blob that is fetched: which of its pieces are there, who fetches the others, and who is not
 * asked any more.
 *
 * @module
 */
import type { FetchedBlob, PartialBlob } from "../../models/mod.ts";
import type { BlobPeer } from "./blob_peer.ts";
import type { BlobRequest } from "./blob_request.ts";

/** The file of a blob that is fetched. */
export type PieceFile = Pick<
  PartialBlob,
  "bytes" | "pieces" | "has" | "range" | "write" | "finish" | typeof Symbol.dispose
>;

/** Where fetched blobs go: a store's folder of blobs. */
export interface BlobTarget {
  /** Opens a blob, with the pieces that are there; undefined: it is whole. */
  openPartial(sha256: string, bytes: number, signal: AbortSignal): Promise<PieceFile | undefined>;
  /** The pieces in which a file that was put aside differs from the blob; deletes the file. */
  differingPieces(aside: string, sha256: string): Promise<number[]>;
  /** Deletes a file that was put aside. */
  discard(aside: string): Promise<void>;
}

/** A piece that is being fetched. */
export interface PieceClaim {
  peer: BlobPeer;
  /** When it began, milliseconds of the clock. */
  at: number;
  abort: AbortController;
}

/** Most bytes of a blob whose size only other members state. */
const MOST_UNSTATED_BYTES = 2 ** 28;

/** See the module's text. */
export class WantedBlob {
  readonly request: BlobRequest;
  /** `closed`: not begun, or begun anew. */
  state: "closed" | "opening" | "open" | "checking" | "done" = "closed";
  file?: PieceFile;
  /** Pieces that nobody fetches; the last one is next. */
  free: number[] = [];
  /** Who fetches a piece, by its number. */
  readonly claims = new Map<number, PieceClaim[]>();
  /** Pieces that are not written yet, and bytes that are. */
  left = 0;
  done = 0;
  /** Which node sent a piece, by its number. Those of an earlier fetch are missing. */
  from = new Map<number, string>();
  /** Nodes that sent wrong bytes of it, and why that is known. */
  readonly excluded = new Map<string, string>();
  /** The only node that is asked, to find out who sent wrong bytes; undefined: all are asked. */
  alone?: BlobPeer;
  /** A file with a wrong hash that several nodes have sent; see {@linkcode WantedBlob.alone}. */
  aside?: { path: string; from: Map<number, string> };
  /** Since when nobody has it, milliseconds of the clock; undefined: somebody has. */
  orphanedAt?: number;
  /** Most bytes that any node had of it in part. */
  mostPartial = 0;
  /** Its size as a node states it, where the request does not. */
  #stated?: number;

  constructor(request: BlobRequest) {
    this.request = request;
  }

  get sha256(): string {
    return this.request.sha256;
  }

  /** Its size; undefined: nobody has stated it yet. */
  get bytes(): number | undefined {
    return this.request.bytes ?? this.#stated;
  }

  /** Whether this node has the whole blob, in the right size, and may be asked for it. */
  has(peer: BlobPeer): boolean {
    const bytes = peer.whole.get(this.sha256);
    if (bytes === undefined || this.excluded.has(peer.node)) return false;
    if (this.alone && this.alone !== peer) return false;
    return this.bytes === undefined ? bytes <= MOST_UNSTATED_BYTES : bytes === this.bytes;
  }

  /** Takes the size that this node states, where nothing else does. */
  sizeOf(peer: BlobPeer): number {
    return this.bytes ?? (this.#stated = peer.whole.get(this.sha256)!);
  }

  /** The file is open: fetching can begin. */
  opened(file: PieceFile): void {
    this.file = file;
    this.state = "open";
    this.from = new Map();
    this.free = [];
    this.done = file.bytes;
    for (let i = file.pieces - 1; i >= 0; i--) {
      if (file.has(i)) continue;
      this.free.push(i);
      this.done -= file.range(i).length;
    }
    this.left = this.free.length;
  }

  /** Closes the file and ends its requests, so that it can be opened anew. */
  close(): void {
    for (const claims of this.claims.values()) for (const { abort } of claims) abort.abort();
    this.claims.clear();
    this.file?.[Symbol.dispose]();
    this.file = undefined;
    this.free = [];
    if (this.state === "done") return;
    this.state = "closed";
    this.done = 0;
  }

  /**
   * Asks this node for it no more. Where only such nodes have stated its size, another one may
   * state another.
   */
  exclude(node: string, why: string, peers: readonly BlobPeer[]): void {
    this.excluded.set(node, why);
    if (this.alone?.node === node) this.alone = undefined;
    if (this.request.bytes !== undefined || peers.some((peer) => this.has(peer))) return;
    if (this.state !== "checking") this.close();
    this.#stated = undefined;
  }

  /**
   * What a wrong hash proves: the node that sent all of it, if it was one. Otherwise keeps the file,
   * to be compared with the right one. The blob is then fetched anew.
   */
  wrong({ path }: FetchedBlob & { state: "wrong" }): { culprit?: string; discard?: string } {
    const nodes = new Set(this.from.values());
    const all = this.from.size === this.file!.pieces;
    const { from } = this;
    this.state = "closed";
    this.close();
    if (all && nodes.size === 1) return { culprit: [...nodes][0], discard: path };
    // With pieces of an earlier fetch nobody can be named: who sent them is not known.
    if (!all || this.aside) return { discard: path };
    this.aside = { path, from };
    return {};
  }
}
