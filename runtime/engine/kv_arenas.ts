/**
 * The open KV arenas of a stage and the memory that they may take together.
 *
 * @module
 */
import type { ArenaLayout } from "../../actors/pipeline/mod.ts";
import { engineError } from "./errors.ts";
import { arenaBytes, type ArenaParts, type ArenaShape, KvArena } from "./kv_arena.ts";

/** See the module's text. */
export class KvArenas {
  readonly #shape: ArenaShape;
  readonly #recurrence: ArenaParts["recurrence"];
  readonly #budget: number;
  readonly #arenas = new Map<string, KvArena>();
  /** Bytes of each open arena, with those that its owner keeps beside it. */
  readonly #sizes = new Map<string, number>();
  #bytes = 0;

  /** @param budget Bytes that all arenas together may take. */
  constructor(shape: ArenaShape, budget: number, recurrence?: ArenaParts["recurrence"]) {
    this.#shape = shape;
    this.#recurrence = recurrence;
    this.#budget = budget;
  }

  /** Number of open arenas. */
  get count(): number {
    return this.#arenas.size;
  }

  /** Bytes that the open arenas take, with those that their owners keep beside them. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Opens or re-arranges an arena, see `StageEngine.layout`. Throws group `engine`: `no_arena`,
   * `arena_memory` (metadata: `bytes`, `budget`, `used`), `bad_frame`. Nothing has changed then.
   */
  layout(name: string, layout: ArenaLayout): void {
    const { capacity, keep, shelf, near, beside = 0 } = layout;
    if (!(Number.isInteger(capacity) && capacity > 0)) {
      throw engineError("bad_frame", `arena ${name} cannot have ${capacity} rows`, {
        arena: name,
        capacity,
      });
    }
    const arena = this.#arenas.get(name);
    if (!arena && keep.length + (shelf?.length ?? 0) > 0) throw noArena(name);
    const limited = arena ? arena.near : near;
    const nearRows = limited && (near ?? limited).capacity;
    const room = { near: nearRows, recurrence: this.#recurrence };
    const bytes = arenaBytes(this.#shape, capacity, room) + capacity * beside;
    const others = this.#bytes - (this.#sizes.get(name) ?? 0);
    if (others + bytes > this.#budget) {
      throw engineError(
        "arena_memory",
        `an arena of ${rowsText(capacity, nearRows)} takes ${bytes} bytes; ${others} of the ` +
          `${this.#budget} bytes for arenas are in use by others`,
        { bytes, budget: this.#budget, used: others },
      );
    }
    try {
      if (arena) arena.layout(layout);
      else this.#arenas.set(name, new KvArena(this.#shape, capacity, room));
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw engineError(
        "arena_memory",
        `an arena of ${
          rowsText(capacity, nearRows)
        } (${bytes} bytes) could not be allocated: ${cause.message}`,
        { bytes, budget: this.#budget, used: others },
        cause,
      );
    }
    this.#sizes.set(name, bytes);
    this.#bytes = others + bytes;
  }

  /** An open arena. Throws `no_arena` (group `engine`). */
  get(name: string): KvArena {
    const arena = this.#arenas.get(name);
    if (!arena) throw noArena(name);
    return arena;
  }

  /** Frees an arena if it is open. */
  close(name: string): void {
    const arena = this.#arenas.get(name);
    if (!arena) return;
    this.#arenas.delete(name);
    this.#bytes -= this.#sizes.get(name)!;
    this.#sizes.delete(name);
    arena.free();
  }

  /** Frees every arena. */
  clear(): void {
    for (const name of [...this.#arenas.keys()]) this.close(name);
  }
}

/** The rows of an arena, for messages. */
const rowsText = (capacity: number, near?: number) =>
  `${capacity} rows${near === undefined ? "" : `, ${near} in windowed layers,`}`;

function noArena(name: string) {
  return engineError("no_arena", `arena ${name} is not open: never laid out, or closed`, {
    arena: name,
  });
}
