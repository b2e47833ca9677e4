/**
 * An instance by types of devices: what the exact searches work on.
 *
 * @module
 */
import type { Instance } from "./instance.ts";
import type { Charges } from "./relaxation.ts";

/**
 * Costs and caps by type under one limit. Role tables: `role * types + type`; hops:
 * `from * types + to`.
 */
export interface TypesView {
  types: number;
  layers: number;
  /** Members of each type. */
  count: Int32Array;
  /** Factor of each type in a number that encodes how many members of each are used. */
  factor: Float64Array;
  /** How many such numbers there are. */
  sets: number;
  layer: Float64Array;
  fixed: Float64Array;
  /** Entry and embedding; head and exit. */
  begin: Float64Array;
  end: Float64Array;
  caps: Int32Array;
  hop: Float64Array;
  /** Reduced charges, see relaxation.ts. */
  into: Float64Array;
  out: Float64Array;
  /** Fixed part and charges of a device that is added. */
  charge: Float64Array;
  /** Cheapest way to end, less the charge for leaving that the ending device does not pay. */
  leastEnd: number;
  /** Cheapest way to add a device. */
  leastCharge: number;
  /**
   * Layers in the order in which they are cheapest: `orderType`, and `orderNew` 1 where the device
   * would have to be added (its charges then spread over its cap), 0 where it is there already.
   */
  orderType: Int32Array;
  orderNew: Uint8Array;
  orderPrice: Float64Array;
}

/**
 * The view under `caps` (by device), where hops above `limit` in the max system are not allowed.
 */
export function viewTypes(
  instance: Instance,
  caps: Int32Array,
  limit: number,
  charges: Charges,
): TypesView {
  const { members, devices, layers, problem: { sum }, hopSum, hopMax } = instance;
  const types = members.length;
  const view: TypesView = {
    types,
    layers,
    count: Int32Array.from(members, (m) => m.length),
    factor: new Float64Array(types),
    sets: 1,
    layer: Float64Array.from(members, ([d]) => sum.layer[d]),
    fixed: Float64Array.from(members, ([d]) => sum.fixed[d]),
    begin: Float64Array.from(members, ([d]) => sum.entry[d] + sum.embed[d]),
    end: Float64Array.from(members, ([d]) => sum.head[d] + sum.exit[d]),
    caps: new Int32Array(4 * types),
    hop: new Float64Array(types * types),
    into: Float64Array.from(members, ([d]) => charges.into[d]),
    out: Float64Array.from(members, ([d]) => charges.out[d]),
    charge: new Float64Array(types),
    leastEnd: Infinity,
    leastCharge: Infinity,
    orderType: new Int32Array(2 * types),
    orderNew: new Uint8Array(2 * types),
    orderPrice: new Float64Array(2 * types),
  };
  for (let t = 0; t < types; t++) {
    view.factor[t] = view.sets;
    view.sets *= members[t].length + 1;
    for (let role = 0; role < 4; role++) {
      view.caps[role * types + t] = caps[role * devices + members[t][0]];
    }
    for (let s = 0; s < types; s++) {
      const to = s === t ? members[s][1] : members[s][0];
      const hop = to === undefined ? -1 : members[t][0] * devices + to;
      view.hop[t * types + s] = hop < 0 || hopMax[hop] > limit ? Infinity : hopSum[hop];
    }
  }
  const entries: { type: number; added: number; price: number }[] = [];
  for (let t = 0; t < types; t++) {
    // In the middle a stage has nothing else to hold, so this cap is the largest of all roles.
    const cap = view.caps[t];
    if (cap === 0) continue;
    // Leaving and arriving are charged together; where one is impossible the device can still be an
    // end.
    const charge = view.fixed[t] + finite(view.into[t]) + finite(view.out[t]);
    view.charge[t] = charge;
    entries.push({ type: t, added: 0, price: view.layer[t] });
    if (view.into[t] === Infinity) continue;
    entries.push({ type: t, added: 1, price: view.layer[t] + charge / cap });
    view.leastCharge = Math.min(view.leastCharge, charge);
    if (view.caps[2 * types + t] > 0) {
      view.leastEnd = Math.min(view.leastEnd, view.end[t] - finite(view.out[t]));
    }
  }
  entries.sort((a, b) => a.price - b.price || a.added - b.added || a.type - b.type);
  view.orderType = Int32Array.from(entries, (e) => e.type);
  view.orderNew = Uint8Array.from(entries, (e) => e.added);
  view.orderPrice = Float64Array.from(entries, (e) => e.price);
  return view;
}

function finite(value: number): number {
  return value === Infinity ? 0 : value;
}
