/**
 * The frame of both exact searches: labels of partial placements, extended by one device at a time.
 *
 * All labels of one length (number of devices) are made before any of the next, so each is final
 * before it is extended. A label whose lower bound is not below the best sum found is dropped.
 *
 * @module
 */
import { StateTable } from "./state_table.ts";
import type { TypesView } from "./types_view.ts";

/** How far a search may go. */
export interface SearchLimits {
  /** Only placements with a sum strictly below this are searched for. */
  sum: number;
  /** Most labels that are made; beyond them the search gives up. */
  states: number;
  /** Whether the search ends at the first placement found. */
  any: boolean;
  /** Most labels of each length that are extended; with it nothing is proven. @default no limit */
  beam?: number;
}

/** What a search found. */
export interface SearchResult {
  /** The smallest sum below the limit; Infinity: none was found. */
  sum: number;
  /** Types of the devices, in pipeline order. */
  types: number[];
  /** Layers of each stage; empty where the search does not decide them. */
  counts: number[];
  /** Whether everything below the limit was searched. */
  complete: boolean;
  /** Labels that were made. */
  states: number;
}

/** See the module's text. Labels of one device are offered to `table`, then `run` extends them. */
export class LabelSearch {
  readonly table = new StateTable();
  /** Devices of each type that the current label uses. (types) */
  readonly members: Int32Array;
  readonly #view: TypesView;
  readonly #limits: SearchLimits;
  #best: number;
  #bestLabel = -1;

  constructor(view: TypesView, limits: SearchLimits) {
    this.#view = view;
    this.#limits = limits;
    this.#best = limits.sum;
    this.members = new Int32Array(view.types);
    this.table.layer();
  }

  /** A placement is of interest only if its sum is below this. */
  get best(): number {
    return this.#best;
  }

  /** The label is a whole placement with this sum. */
  found(label: number, sum: number): void {
    if (sum >= this.#best) return;
    this.#best = sum;
    this.#bestLabel = label;
  }

  /**
   * Extends labels until there are no more. `extend` gets a label and its number of devices, with
   * `members` set to the devices that it uses; it offers labels with one device more to `table`.
   */
  run(extend: (label: number, length: number) => void): SearchResult {
    const { types, layers, factor, count } = this.#view;
    const { states, any, beam = Infinity } = this.#limits;
    const { table, members } = this;
    let complete = true;
    for (let from = 0, length = 1; from < table.size && length < layers; length++) {
      const to = table.layer();
      const worst = table.widest(from, to, beam);
      for (let label = from; label < to; label++) {
        if (table.bound[label] >= this.#best || (any && this.#bestLabel >= 0)) continue;
        if (table.bound[label] > worst || table.size > states) {
          complete = false;
          continue;
        }
        const set = table.set[label];
        for (let t = 0; t < types; t++) members[t] = Math.floor(set / factor[t]) % (count[t] + 1);
        extend(label, length);
      }
      from = to;
    }
    const result: SearchResult = {
      sum: this.#bestLabel < 0 ? Infinity : this.#best,
      types: [],
      counts: [],
      complete,
      states: table.size,
    };
    for (let label = this.#bestLabel; label >= 0; label = table.parent[label]) {
      result.types.unshift(table.type[label]);
      result.counts.unshift(table.taken[label]);
    }
    return result;
  }
}
