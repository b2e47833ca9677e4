/**
 * Members that have blobs, and a store that gets them, in virtual time and memory: for tests of
 * fetching.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { type BlobBytes, type Holdings, OrreryError, Simulation } from "../../actors/mod.ts";
import { PIECE_BYTES } from "../../models/mod.ts";
import type { BlobSource } from "../../runtime/weights/blob_peer.ts";
import { fetchBlobs, type FetchOptions } from "../../runtime/weights/blob_fetch.ts";
import type { BlobRequest } from "../../runtime/weights/blob_request.ts";
import type { BlobTarget, PieceFile } from "../../runtime/weights/wanted_blob.ts";

const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Options of {@linkcode BlobWorld.member}. */
export interface MemberOptions {
  /** Names of the blobs that it has. */
  has: string[];
  /** Bytes that it sends in a millisecond, one request after the other. @default 1000 */
  rate?: number;
  /** Bytes that it says each blob has. @default as it is */
  size?: number;
  /** Changes the bytes that it sends. */
  lie?: (bytes: Uint8Array, offset: number) => Uint8Array;
  /** Whether requests of clients run there. @default never */
  running?: () => boolean;
  /** Nodes that fetch from it. @default 1 */
  readers?: number;
}

/** See the module's text. */
export class BlobWorld {
  readonly sim: Simulation;
  /** The blobs by name: their bytes, and how they are asked for. */
  readonly blobs = new Map<string, { bytes: Uint8Array; request: BlobRequest }>();
  /** What was asked for: who, which blob by name, from which byte on, how many, and when. */
  readonly asked: { node: string; blob: string; offset: number; length: number; at: number }[] = [];
  /** Nodes that were said to have sent wrong bytes, with the part of the model. */
  readonly wrong: string[] = [];
  readonly store = new MemoryStore();
  readonly #sources: BlobSource[] = [];
  readonly #dead = new Set<string>();
  readonly #members = new Map<string, MemberOptions>();

  constructor(seed = 1) {
    this.sim = new Simulation({ seed });
  }

  /** Makes up a blob. `stated`: the manifest states its size. */
  blob(name: string, bytes: number, { stated = true } = {}): void {
    const content = new Uint8Array(bytes);
    for (let i = 0; i < bytes; i += 997) content[i] = 256 * this.sim.random();
    const request = { sha256: hashOf(content), role: name, bytes: stated ? bytes : undefined };
    this.blobs.set(name, { bytes: content, request });
  }

  /** Adds a member that answers. */
  member(node: string, options: MemberOptions): void {
    this.#members.set(node, options);
    const nameOf = (sha256: string) =>
      [...this.blobs].find(([, { request }]) => request.sha256 === sha256)![0];
    let freeAt = 0;
    const busyness = () => ({
      running: options.running?.() ?? false,
      readers: options.readers ?? 1,
    });
    this.#sources.push({
      node,
      have: async (blobs): Promise<Holdings> => {
        await this.#takes(node, 1);
        const there = blobs.map((b) => b.sha256)
          .filter((sha256) => options.has.includes(nameOf(sha256)));
        return {
          ...busyness(),
          blobs: there.map((sha256) => ({
            sha256,
            bytes: options.size ?? this.blobs.get(nameOf(sha256))!.bytes.length,
            whole: true,
          })),
        };
      },
      read: async ({ sha256, offset, length }, signal): Promise<BlobBytes> => {
        const { sim } = this;
        const blob = nameOf(sha256);
        this.asked.push({ node, blob, offset, length, at: sim.clock.now() });
        const now = sim.clock.now();
        freeAt = Math.max(now, freeAt) + length / (options.rate ?? 1000);
        await this.#takes(node, freeAt - now, signal);
        if (!options.has.includes(blob)) {
          throw new OrreryError({ group: "model", code: "blob_missing", message: "not here" });
        }
        const data = this.blobs.get(blob)!.bytes.subarray(offset, offset + length);
        return { ...busyness(), data: options.lie?.(data, offset) ?? data };
      },
    });
  }

  /** The member answers nothing from now on, and its link is found to be gone 10 s later. */
  kill(node: string): void {
    this.#dead.add(node);
  }

  /** Bytes that a member was asked for. */
  sentBy(node: string): number {
    return this.asked.filter((a) => a.node === node).reduce((sum, a) => sum + a.length, 0);
  }

  /** Fetches blobs by name, all of them unless named; resolves when it is over. */
  async fetch(
    options: Partial<Pick<FetchOptions, "running" | "background" | "signal" | "onProgress">> & {
      blobs?: string[];
    } = {},
  ): Promise<void> {
    const { blobs = [...this.blobs.keys()], ...rest } = options;
    await this.sim.until(fetchBlobs({
      model: "m",
      blobs: blobs.map((name) => this.blobs.get(name)!.request),
      sources: this.#sources,
      target: this.store,
      clock: this.sim.clock,
      random: this.sim.random,
      running: () => false,
      signal: new AbortController().signal,
      onWrong: ({ node, blob }) => void this.wrong.push(`${node}: ${blob.role}`),
      ...rest,
    }));
  }

  /** Whether the whole blob is in the store. */
  has(name: string): boolean {
    return this.store.whole.has(this.blobs.get(name)!.request.sha256);
  }

  async #takes(node: string, ms: number, signal?: AbortSignal): Promise<void> {
    const { clock } = this.sim;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    signal?.addEventListener("abort", () => reject(signal.reason));
    clock.after(ms, () => {
      if (!this.#dead.has(node)) return resolve();
      clock.after(10_000, () =>
        reject(
          new OrreryError({ group: "mailbox", code: "peer_lost", message: `node ${node} is gone` }),
        ));
    });
    await promise;
  }
}

/** Blobs in memory. Partial ones stay, as files do when a process ends. */
class MemoryStore implements BlobTarget {
  readonly whole = new Map<string, Uint8Array>();
  readonly partial = new Map<string, { bytes: Uint8Array; flags: boolean[] }>();
  readonly aside = new Map<string, Uint8Array>();

  openPartial(sha256: string, size: number): Promise<PieceFile | undefined> {
    if (this.whole.has(sha256)) return Promise.resolve(undefined);
    const pieces = Math.ceil(size / PIECE_BYTES);
    let part = this.partial.get(sha256);
    if (part?.bytes.length !== size) {
      part = { bytes: new Uint8Array(size), flags: new Array(pieces).fill(false) };
    }
    this.partial.set(sha256, part);
    const { flags, bytes } = part;
    const range = (piece: number) => ({
      offset: piece * PIECE_BYTES,
      length: Math.min(PIECE_BYTES, size - piece * PIECE_BYTES),
    });
    return Promise.resolve({
      bytes: size,
      pieces,
      has: (piece) => flags[piece],
      range,
      write: (piece, data) => {
        bytes.set(data, range(piece).offset);
        flags[piece] = true;
        return Promise.resolve();
      },
      finish: () => {
        this.partial.delete(sha256);
        const actual = hashOf(bytes);
        if (actual === sha256) {
          this.whole.set(sha256, bytes);
          return Promise.resolve({ state: "whole" as const });
        }
        const path = `aside ${this.aside.size}`;
        this.aside.set(path, bytes);
        return Promise.resolve({ state: "wrong" as const, actual, path });
      },
      [Symbol.dispose]() {},
    });
  }

  differingPieces(path: string, sha256: string): Promise<number[]> {
    const [wrong, right] = [this.aside.get(path)!, this.whole.get(sha256)!];
    const pieces = new Set<number>();
    wrong.forEach((byte, i) => byte !== right[i] && pieces.add(Math.floor(i / PIECE_BYTES)));
    this.aside.delete(path);
    return Promise.resolve([...pieces]);
  }

  discard(path: string): Promise<void> {
    this.aside.delete(path);
    return Promise.resolve();
  }
}
