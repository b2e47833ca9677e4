/**
 * What a search over sets still has to pay, at least.
 *
 * @module
 */
import { FIRST, LAST } from "./instance.ts";
import type { TypesView } from "./types_view.ts";

/** Bounds for labels (members, first, last) of set_search.ts. */
export class SetBound {
  readonly #view: TypesView;
  /**
   * Of the last {@linkcode SetBound.inParts}: devices added, in parts; price of its dearest layer;
   * layers to spare.
   */
  #added = 0;
  #dearest = 0;
  #spare = 0;
  /** Layers that a device of each type loses by being the last. */
  readonly #lost: Int32Array;
  /**
   * Ends by type, less the charge for leaving that the last device does not pay; Infinity: may not
   * be last.
   */
  readonly #end: Float64Array;

  /** Reads the view only. */
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
   * Layers on these members and, where they are cheaper or more are needed, on others, which may be
   * had in parts with that share of their charge. Infinity: too little room. `first` may be the
   * shared key of set_search.ts.
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
   * At least this is added by going on from (members, first, last) with one more device or several.
   */
  goOn(members: Int32Array, first: number, last: number): number {
    const parts = this.inParts(members, first);
    if (parts === Infinity) return Infinity;
    const { types, count, layer, leastCharge, out } = this.#view;
    // The last device loses room to the head. What it cannot hold goes to where the dearest layer
    // is, or further.
    let end = Infinity;
    for (let t = 0; t < types; t++) {
      if (members[t] === count[t] || this.#lost[t] > this.#spare) continue;
      const extra = this.#dearest - layer[t];
      const cost = this.#end[t] + (extra > 0 ? this.#lost[t] * extra : 0);
      if (cost < end) end = cost;
    }
    if (this.#added >= 1) return parts + end + out[last];
    // One whole charge is due in any case, over layers at their bare price.
    const bare = this.#barePrice(members);
    return Math.max(parts + end, bare + leastCharge + this.#view.leastEnd) + out[last];
  }

  /**
   * Cost of the layers if every other device could be had without a charge; one of them takes a
   * layer at least.
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
