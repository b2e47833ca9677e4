/**
 * Lower bounds of the cost that a label of set_search.ts still adds.
 *
 * @module
 */
import { FIRST, LAST } from "./instance.ts";
import type { TypesView } from "./types_view.ts";

/** Bounds for the labels (members, first, last) of one view. */
export class SetBound {
  readonly #view: TypesView;
  /** Result of the last {@linkcode SetBound.inParts}: devices added, counted by fractions. */
  #added = 0;
  /** Result of the same call: price of the dearest layer that was dealt out. */
  #dearest = 0;
  /** Result of the same call: layers for which room is left. */
  #spare = 0;
  /** Layers that a device of each type loses as last device. (types) */
  readonly #lost: Int32Array;
  /**
   * Cost of the end by type, minus the charge for leaving, which the last device does not pay;
   * Infinity: the type may not be last. (types)
   */
  readonly #end: Float64Array;

  constructor(view: TypesView) {
    this.#view = view;
    const { types, caps, end, out } = view;
    this.#lost = Int32Array.from({ length: types }, (_, t) => caps[t] - caps[LAST * types + t]);
    this.#end = Float64Array.from({ length: types }, (_, t) => {
      if (caps[LAST * types + t] === 0) return Infinity;
      return end[t] - (out[t] === Infinity ? 0 : out[t]);
    });
  }

  /**
   * A lower bound of the cost of all layers: on these members and, where that is cheaper or more
   * are needed, on fractions of other devices, each with its share of the device's charge.
   * Infinity: there is too little room. `first` may be the shared key of set_search.ts.
   */
  inParts(members: Int32Array, first: number): number {
    const { types, caps, layer, layers, orderType, orderNew, orderPrice, count } = this.#view;
    let rest = layers;
    let cost = 0;
    this.#added = 0;
    this.#spare = 0;
    for (let t = 0; t < types; t++) {
      rest -= members[t];
      cost += members[t] * layer[t];
    }
    for (let i = 0; i < orderType.length; i++) {
      const t = orderType[i];
      let room;
      if (orderNew[i]) {
        room = (count[t] - members[t]) * caps[t];
      } else {
        room = members[t] * (caps[t] - 1);
        if (t === first && room > 0) room -= caps[t] - caps[FIRST * types + t];
      }
      if (room <= 0) continue;
      if (rest === 0) {
        this.#spare += room;
        continue;
      }
      const more = room < rest ? room : rest;
      cost += more * orderPrice[i];
      if (orderNew[i]) this.#added += more / caps[t];
      this.#dearest = orderPrice[i];
      this.#spare += room - more;
      rest -= more;
    }
    return rest > 0 ? Infinity : cost;
  }

  /**
   * A lower bound of the cost that the label (members, first, last) adds with one or more further
   * devices: all layers, the charges and the end.
   */
  goOn(members: Int32Array, first: number, last: number): number {
    const parts = this.inParts(members, first);
    if (parts === Infinity) return Infinity;
    const { types, count, layer, leastCharge, out } = this.#view;
    // The last device loses room to the head. The layers that it cannot have cost at least the
    // price of the dearest layer dealt out.
    let end = Infinity;
    for (let t = 0; t < types; t++) {
      if (members[t] === count[t] || this.#lost[t] > this.#spare) continue;
      const extra = this.#dearest - layer[t];
      const cost = this.#end[t] + (extra > 0 ? this.#lost[t] * extra : 0);
      if (cost < end) end = cost;
    }
    if (this.#added >= 1) return parts + end + out[last];
    // At least one whole charge is due, besides the layers without charges.
    const bare = this.#barePrice(members);
    return Math.max(parts + end, bare + leastCharge + this.#view.leastEnd) + out[last];
  }

  /**
   * Cost of the layers if other devices had no charge. At least one of them takes a layer;
   * Infinity: none is left for it.
   */
  #barePrice(members: Int32Array): number {
    const { types, caps, layer, layers, orderType, orderNew, count } = this.#view;
    let cost = 0;
    let rest = layers;
    for (let t = 0; t < types; t++) {
      rest -= members[t];
      cost += members[t] * layer[t];
    }
    if (rest < 1) return Infinity;
    for (let i = 0; i < orderType.length; i++) {
      if (orderNew[i]) continue;
      const t = orderType[i];
      const room = members[t] * (caps[t] - 1) + (count[t] - members[t]) * caps[t];
      const more = room < rest ? room : rest;
      cost += more * layer[t];
      rest -= more;
      if (rest === 0) return cost;
    }
    return cost;
  }
}
