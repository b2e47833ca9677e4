/**
 * The windowed layers of the toy model: every second one. Where a layout limits their rows, they read
 * these from near slots of their own, and refuse what was given up.
 *
 * @module
 */
import { type NearLayout, OrreryError } from "../../actors/mod.ts";

/** Does a row of this layer attend to its window alone? */
export const isWindowed = (layer: number): boolean => layer % 2 === 1;

/** What one arena keeps in windowed layers. */
export class ToyNear {
  readonly capacity: number;
  /** Near slot by slot. */
  readonly #nearOf = new Map<number, number>();
  /** Values by layer and near slot. */
  readonly #rows = new Map<number, Map<number, number>>();

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Rows of the arena that stand here now. */
  get size(): number {
    return this.#nearOf.size;
  }

  /** After the rows have moved as `moved` says, by their slots before and after. */
  moved(moved: ReadonlyMap<number, number>, layout: NearLayout | undefined): ToyNear {
    const stood = new Map(
      [...this.#nearOf].filter(([slot]) => moved.has(slot)).map(([slot, near]) =>
        [moved.get(slot)!, near] as const
      ),
    );
    const result = new ToyNear(layout?.capacity ?? this.capacity);
    const keep = layout ? [...layout.keep] : [...stood.keys()];
    if (keep.length > result.capacity) {
      throw toyBad(`${keep.length} rows stay in windowed layers of ${result.capacity}`);
    }
    for (const [at, slot] of keep.entries()) {
      const near = stood.get(slot);
      if (near === undefined) {
        throw toyBad(`slot ${slot} is to stay in windowed layers, and is not there`);
      }
      const to = layout ? at : near;
      result.#nearOf.set(slot, to);
      for (const [layer, rows] of this.#rows) result.#layer(layer).set(to, rows.get(near)!);
    }
    return result;
  }

  /** Gives the rows of a frame their near slots. */
  place(base: number, rows: number, near: number | undefined): void {
    if (near === undefined || near + rows > this.capacity) {
      throw toyBad(`${rows} rows at near slot ${near} of ${this.capacity}`);
    }
    for (const [slot, at] of this.#nearOf) {
      if (at >= near && at < near + rows) this.#nearOf.delete(slot);
    }
    for (let i = 0; i < rows; i++) this.#nearOf.set(base + i, near + i);
  }

  /** Sets the value of a slot's row. */
  set(layer: number, slot: number, value: number): void {
    this.#layer(layer).set(this.#nearOf.get(slot)!, value);
  }

  /** The value of a slot's row. */
  get(layer: number, slot: number): number {
    const near = this.#nearOf.get(slot);
    if (near === undefined) throw toyBad(`slot ${slot} was given up in windowed layers`);
    return this.#layer(layer).get(near)!;
  }

  #layer(layer: number): Map<number, number> {
    let rows = this.#rows.get(layer);
    if (!rows) this.#rows.set(layer, rows = new Map());
    return rows;
  }
}

const toyBad = (message: string) =>
  new OrreryError({ group: "engine", code: "bad_frame", message });
