/**
 * States that a stage has kept of its rows, given back in another order: what is rebuilt from them is
 * not what was lost.
 *
 * @module
 */
import { KeptStates } from "../../actors/pipeline/kept_states.ts";

export { KeptStates };

const { get } = KeptStates.prototype;

/** Methods that are broken, see the module's text. */
export const MIXED_STATES: Partial<KeptStates> = {
  get(this: KeptStates, base, rows) {
    const states = get.call(this, base, rows);
    if (!states || rows < 2) return states;
    const first = states.data.byteLength / rows;
    const data = new Uint8Array(states.data.byteLength);
    data.set(states.data.subarray(first));
    data.set(states.data.subarray(0, first), data.byteLength - first);
    return { ...states, data };
  },
};
