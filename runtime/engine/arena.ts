/**
 * KV arenas: the memory of a request in one stage.
 *
 * @module
 */
import * as ort from "onnxruntime-node";
import type { Frame, Sampling } from "../../actors/frame.ts";
import { kvNames } from "../../models/graph/contract.ts";
import { engineError } from "./errors.ts";
import { Slots } from "./slots.ts";

/** What one row needs in a stage. */
export interface ArenaShape {
  firstLayer: number;
  /** Inclusive. */
  lastLayer: number;
  kvHeads: number;
  headDim: number;
}

/** Bytes of an arena: keys and values, f32 (kvHeads, capacity, headDim), of every layer. */
export function arenaBytes(shape: ArenaShape, capacity: number): number {
  return (shape.lastLayer - shape.firstLayer + 1) * 2 * shape.kvHeads * shape.headDim * capacity * 4;
}

/** One request's rows: its slots, and keys and values of every layer, f32 (1, kvHeads, capacity, headDim). */
export class Arena {
  readonly slots: Slots;
  readonly sampling: Sampling;
  /** Rows before this position are the prompt. */
  readonly promptRows: number;
  readonly bytes: number;
  /** The KV inputs of a session; the caller adds the others of a frame. */
  readonly feeds: Record<string, ort.Tensor> = {};
  /** The same buffers as KV outputs. */
  readonly fetches: Record<string, ort.Tensor> = {};
  readonly #buffers: ArrayBuffer[] = [];

  /** Allocates, all zeros: what a mask hides must still be a finite number, or it would poison a softmax. */
  constructor(shape: ArenaShape, open: NonNullable<Frame["open"]>) {
    this.slots = new Slots(open.capacity);
    this.sampling = open.sampling;
    this.promptRows = open.prompt_rows;
    this.bytes = arenaBytes(shape, open.capacity);
    const dims = [1, shape.kvHeads, open.capacity, shape.headDim];
    const tensor = () => {
      const data = new Float32Array(shape.kvHeads * open.capacity * shape.headDim);
      this.#buffers.push(data.buffer);
      return new ort.Tensor("float32", data, dims);
    };
    for (let layer = shape.firstLayer; layer <= shape.lastLayer; layer++) {
      const names = kvNames(layer);
      this.feeds[names.pastKey] = this.fetches[names.presentKey] = tensor();
      this.feeds[names.pastValue] = this.fetches[names.presentValue] = tensor();
    }
  }

  /** Gives the memory back now, not when the garbage collector comes by. */
  free(): void {
    for (const buffer of this.#buffers) buffer.transfer(0);
  }
}

/** The open arenas of a stage and the memory that they may take together. */
export class Arenas {
  readonly #shape: ArenaShape;
  readonly #budget: number;
  readonly #arenas = new Map<string, Arena>();
  #bytes = 0;

  /** @param budget Bytes that all arenas together may take. */
  constructor(shape: ArenaShape, budget: number) {
    this.#shape = shape;
    this.#budget = budget;
  }

  /** Number of open arenas. */
  get count(): number {
    return this.#arenas.size;
  }

  /** Bytes that they take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Allocates a request's arena. Throws `arena_exists` or `arena_memory`. */
  open(request: string, open: NonNullable<Frame["open"]>): void {
    if (this.#arenas.has(request)) {
      throw engineError("arena_exists", `request ${request} has an arena already`, { request });
    }
    const bytes = arenaBytes(this.#shape, open.capacity);
    if (this.#bytes + bytes > this.#budget) {
      throw engineError(
        "arena_memory",
        `an arena of ${open.capacity} rows takes ${bytes} bytes; ${this.#bytes} of the ${this.#budget} bytes ` +
          `for arenas are in use`,
        { bytes, budget: this.#budget, used: this.#bytes },
      );
    }
    try {
      this.#arenas.set(request, new Arena(this.#shape, open));
    } catch (cause) {
      throw engineError(
        "arena_memory",
        `an arena of ${open.capacity} rows (${bytes} bytes) could not be allocated: ${cause}`,
        { bytes, budget: this.#budget, used: this.#bytes },
        cause,
      );
    }
    this.#bytes += bytes;
  }

  /** A request's arena. Throws `no_arena`. */
  get(request: string): Arena {
    const arena = this.#arenas.get(request);
    if (!arena) {
      throw engineError("no_arena", `request ${request} has no arena: never opened, or closed`, { request });
    }
    return arena;
  }

  /** Frees a request's arena if there is one. */
  close(request: string): void {
    const arena = this.#arenas.get(request);
    if (!arena) return;
    this.#arenas.delete(request);
    this.#bytes -= arena.bytes;
    arena.free();
  }

  /** Frees all. */
  clear(): void {
    for (const request of [...this.#arenas.keys()]) this.close(request);
  }
}
