/**
 * The labels of an exact search. Labels are made in layers (by their number of devices); in a layer
 * each key has its best label. Parents give the way back. All fields are typed arrays that double
 * when they are full.
 *
 * @module
 */

/** Labels for which there is room at first. */
const FIRST_LABELS = 1024;

/** See the module's text. */
export class StateTable {
  /** Number of labels; their ids run from 0. */
  size = 0;
  /** Cost of each label's path. */
  cost = new Float64Array(FIRST_LABELS);
  /** Which devices each label uses, as a number; see `TypesView.factor`. */
  set = new Float64Array(FIRST_LABELS);
  /** The rest of each label's key; the search defines it. */
  rest = new Float64Array(FIRST_LABELS);
  /** Id of the label that each label was made from; -1: none. */
  parent = new Int32Array(FIRST_LABELS);
  /** Type of the device that was added last. */
  type = new Int32Array(FIRST_LABELS);
  /** Layers of that device's stage; 0 where the search decides them at the end. */
  taken = new Int32Array(FIRST_LABELS);
  /** Lower bound of the sum of any placement that is made from the label. */
  bound = new Float64Array(FIRST_LABELS);
  /** Hash table of this layer's keys: id + 1 of the label, 0 for an empty slot. */
  #slots = new Int32Array(2 * FIRST_LABELS);
  /** Slots that this layer uses. */
  #used: number[] = [];
  /** Id of this layer's first label. */
  #start = 0;

  /**
   * Begins the next layer: keys of earlier layers are forgotten, their labels stay. Returns the id
   * of its first label.
   */
  layer(): number {
    for (const slot of this.#used) this.#slots[slot] = 0;
    this.#used.length = 0;
    this.#start = this.size;
    return this.size;
  }

  /** Id of this layer's label with this key; -1: there is none. */
  find(set: number, rest: number): number {
    let slot = this.#hash(set, rest);
    for (let id; (id = this.#slots[slot]) !== 0; slot = (slot + 1) & (this.#slots.length - 1)) {
      if (this.set[id - 1] === set && this.rest[id - 1] === rest) return id - 1;
    }
    return -1;
  }

  /**
   * The largest bound among the `beam` best labels with ids `from` to `to` - 1; Infinity: there are
   * no more than `beam`.
   */
  widest(from: number, to: number, beam: number): number {
    return to - from <= beam ? Infinity : this.bound.slice(from, to).sort()[beam - 1];
  }

  /**
   * Adds a label with this key, or lowers the cost of this layer's label with this key. Returns its
   * id; -1: that label is at least as cheap already.
   */
  offer(set: number, rest: number, cost: number): number {
    if ((this.size - this.#start + 1) * 2 > this.#slots.length) this.#rehash();
    let slot = this.#hash(set, rest);
    for (let id; (id = this.#slots[slot]) !== 0; slot = (slot + 1) & (this.#slots.length - 1)) {
      if (this.set[id - 1] !== set || this.rest[id - 1] !== rest) continue;
      if (this.cost[id - 1] <= cost) return -1;
      this.cost[id - 1] = cost;
      return id - 1;
    }
    if (this.size === this.cost.length) this.#grow();
    const id = this.size++;
    this.#slots[slot] = id + 1;
    this.#used.push(slot);
    this.set[id] = set;
    this.rest[id] = rest;
    this.cost[id] = cost;
    return id;
  }

  #hash(set: number, rest: number): number {
    const high = Math.floor(set / 4294967296);
    let h = Math.imul(set >>> 0, 0x9e3779b1) ^ Math.imul(high + 0x7f4a7c15, 0x85ebca6b) ^
      Math.imul(rest, 0xc2b2ae35);
    h ^= h >>> 15;
    h = Math.imul(h, 0x2c1b3c6d);
    return (h ^ (h >>> 13)) & (this.#slots.length - 1);
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2);
    this.#used.length = 0;
    for (let id = this.#start; id < this.size; id++) {
      let slot = this.#hash(this.set[id], this.rest[id]);
      while (this.#slots[slot] !== 0) slot = (slot + 1) & (this.#slots.length - 1);
      this.#slots[slot] = id + 1;
      this.#used.push(slot);
    }
  }

  #grow(): void {
    const length = this.cost.length * 2;
    const wider = <T extends Float64Array | Int32Array>(from: T, to: T): T => (to.set(from), to);
    this.cost = wider(this.cost, new Float64Array(length));
    this.set = wider(this.set, new Float64Array(length));
    this.rest = wider(this.rest, new Float64Array(length));
    this.bound = wider(this.bound, new Float64Array(length));
    this.parent = wider(this.parent, new Int32Array(length));
    this.type = wider(this.type, new Int32Array(length));
    this.taken = wider(this.taken, new Int32Array(length));
  }
}
