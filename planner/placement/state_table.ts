/**
 * Labels of a search in layers: one best label a key, parents for the way back. Typed arrays that
 * double.
 *
 * @module
 */

/** See the module's text. */
export class StateTable {
  /** Labels so far; ids run from 0. */
  size = 0;
  cost = new Float64Array(1024);
  /** Which devices are used: see `TypesView.factor`. */
  set = new Float64Array(1024);
  /** What else the key holds. */
  rest = new Float64Array(1024);
  parent = new Int32Array(1024);
  /** Type of the device that was added. */
  type = new Int32Array(1024);
  /** Layers of its stage, 0 where they are chosen at the end. */
  taken = new Int32Array(1024);
  /** Lower bound of what comes of it. */
  bound = new Float64Array(1024);
  #slots = new Int32Array(2048);
  #used: number[] = [];
  #start = 0;

  /** Opens the next layer: keys of earlier ones are forgotten, their labels stay. */
  layer(): number {
    for (const slot of this.#used) this.#slots[slot] = 0;
    this.#used.length = 0;
    this.#start = this.size;
    return this.size;
  }

  /** The id of the label of this layer with this key, or -1. */
  find(set: number, rest: number): number {
    let slot = this.#hash(set, rest);
    for (let id; (id = this.#slots[slot]) !== 0; slot = (slot + 1) & (this.#slots.length - 1)) {
      if (this.set[id - 1] === set && this.rest[id - 1] === rest) return id - 1;
    }
    return -1;
  }

  /** The bound that all but the `beam` most promising labels of a range exceed. */
  widest(from: number, to: number, beam: number): number {
    return to - from <= beam ? Infinity : this.bound.slice(from, to).sort()[beam - 1];
  }

  /**
   * The id of the label with this key, new or cheaper than before; -1 where a label as cheap
   * exists.
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
