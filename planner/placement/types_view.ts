/**
 * An instance by types of devices: the form that the exact searches use.
 *
 * @module
 */
import type { Instance } from "./instance.ts";
import type { Charges } from "./relaxation.ts";

/**
 * Costs and caps by type under one limit. Tables of roles are indexed by `role * types + type`,
 * hops by `from * types + to`.
 */
export interface TypesView {
  /** Number of types. */
  types: number;
  /** Number of layers. */
  layers: number;
  /** Number of devices of each type. (types) */
  count: Int32Array;
  /** Types, of one device each, that a placement must use. */
  needed: number[];
  /**
   * Factor of each type in the number that encodes a set of devices: the sum of factor times used
   * devices. (types)
   */
  factor: Float64Array;
  /** How many sets there are. */
  sets: number;
  /** Cost of one layer. (types) */
  layer: Float64Array;
  /** Cost of a stage that does not depend on its layers. (types) */
  fixed: Float64Array;
  /** Cost of entry and embedding on a device of the type. (types) */
  begin: Float64Array;
  /** Cost of head and exit on a device of the type. (types) */
  end: Float64Array;
  /** Most layers by role and type. (4 * types) */
  caps: Int32Array;
  /** Cost of a hop; Infinity: not allowed. (types * types) */
  hop: Float64Array;
  /** Charge for arriving at a device of the type, see relaxation.ts. (types) */
  into: Float64Array;
  /** Charge for leaving. (types) */
  out: Float64Array;
  /** Fixed part and charges of a device that is added. (types) */
  charge: Float64Array;
  /**
   * Least cost of the end over all types, minus the charge for leaving, which the last device does
   * not pay.
   */
  leastEnd: number;
  /** Least charge of a device that is added, over all types. */
  leastCharge: number;
  /**
   * Types in the order of their price for a layer. A type occurs once for devices that are used
   * already, and once for devices that would have to be added, whose charge is then spread over its
   * cap. (entries)
   */
  orderType: Int32Array;
  /** 1: the entry is for devices that would have to be added; 0: for used ones. (entries) */
  orderNew: Uint8Array;
  /** Price of one layer. (entries) */
  orderPrice: Float64Array;
}

/**
 * Makes the view under `caps` (by role and device), where hops above `limit` in the max system are
 * not allowed.
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
    needed: members.flatMap(([d], t) => instance.needed[d] ? [t] : []),
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
    // A stage in the middle holds neither embedding nor head, so this cap is the largest of all
    // roles.
    const cap = view.caps[t];
    if (cap === 0) continue;
    // Arriving and leaving are charged together; where one is impossible the device can still be an
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
