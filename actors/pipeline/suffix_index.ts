/**
 * A suffix automaton over token sequences: finds, token by token, the longest end of a text that
 * stands somewhere in them, whatever its length, and what followed it there most often (Blumer et
 * al., "The smallest automaton recognizing the subwords of a text", 1985).
 *
 * A state stands for a set of sequences that end at the same places. Its link leads to the state of
 * the longest shorter ends that also stand elsewhere. n tokens make at most 2n states and 3n
 * transitions: about 100 bytes a token. Adding a token takes a constant number of steps in the
 * mean, and a bounded number for the counts.
 *
 * @module
 */

/** The state of the empty sequence. */
const ROOT = 0;
/** States whose counts are updated for a token: those of the longest sequences that end there. */
const MOST_COUNTED = 48;
/** Tokens that arrays have room for at first. */
const FIRST_ROOM = 256;

/** A place in a {@linkcode SuffixIndex}. */
export interface SuffixPlace {
  /** State of the sequence. */
  state: number;
  /** Its tokens. */
  length: number;
}

/** What follows a place. */
export interface SuffixGuess {
  /** Token id. */
  token: number;
  /** Times that it followed. */
  count: number;
  /** Times that any token followed. */
  of: number;
}

/** See the module's text. */
export class SuffixIndex {
  /** Tokens added so far. */
  #size = 0;
  /** State of the current document as a whole. */
  #last = ROOT;
  #states = 1;
  #edges = 0;
  /** By state: tokens of its longest sequence. */
  #length: Int32Array;
  /** By state: its link; -1: none. */
  #link: Int32Array;
  /** By state: its newest edge; -1: none. */
  #first: Int32Array;
  /** By state: places where its sequences end. */
  #count: Int32Array;
  /** By state: how often a token followed its sequences. */
  #followed: Int32Array;
  /** By state: the edge of the token that followed most often, of equal ones the newest. */
  #best: Int32Array;
  /** By edge: state that it leaves, token, state that it leads to, the state's next older edge. */
  #from: Int32Array;
  #token: Int32Array;
  #to: Int32Array;
  #older: Int32Array;
  /** Edges by a hash of state and token, open addressing; -1: free. Its size is a power of two. */
  #table: Int32Array;

  /** An index without tokens. */
  constructor() {
    const states = 2 * FIRST_ROOM;
    [this.#length, this.#link, this.#first, this.#best] = arrays(4, states);
    [this.#count, this.#followed] = arrays(2, states);
    [this.#from, this.#token, this.#to, this.#older] = arrays(4, 3 * FIRST_ROOM);
    this.#table = new Int32Array(8 * FIRST_ROOM).fill(-1);
    this.#link[ROOT] = this.#first[ROOT] = this.#best[ROOT] = -1;
  }

  /** Tokens added so far. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of its arrays. */
  get bytes(): number {
    return 4 * (6 * this.#length.length + 4 * this.#from.length + this.#table.length);
  }

  /** Adds the next token of the current document. */
  push(token: number): void {
    this.#size++;
    const before = this.#last;
    this.#last = this.#append(token);
    // Longest sequences first: of a text that repeats itself without end the short ones are many,
    // and their counts say least.
    let state = this.#last;
    for (let n = 0; state > ROOT && n < MOST_COUNTED; n++, state = this.#link[state]) {
      this.#count[state]++;
    }
    state = before;
    for (let n = 0; state >= ROOT && n < MOST_COUNTED; n++, state = this.#link[state]) {
      this.#followed[state]++;
      const edge = this.#find(state, token);
      const best = this.#best[state];
      if (best < 0 || this.#count[this.#to[edge]] >= this.#count[this.#to[best]]) {
        this.#best[state] = edge;
      }
    }
  }

  /** The next token begins another document: nothing of this one leads to it. */
  end(): void {
    this.#last = ROOT;
  }

  /** The place of the longest end of (a sequence at `place`, then `token`) that stands here. */
  step({ state, length }: SuffixPlace, token: number): SuffixPlace {
    let at = this.#settle(state, length);
    let tokens = length;
    for (; at >= ROOT; at = this.#link[at], tokens = at >= ROOT ? this.#length[at] : 0) {
      const edge = this.#find(at, token);
      if (edge >= 0) return { state: this.#to[edge], length: tokens + 1 };
    }
    return { state: ROOT, length: 0 };
  }

  /**
   * What followed the sequence at a place most often; where nothing did, the longest end of it that
   * something followed. Undefined: there is none of `least` tokens or more.
   */
  guess({ state, length }: SuffixPlace, least: number): SuffixGuess & SuffixPlace | undefined {
    let at = this.#settle(state, length);
    let tokens = length;
    while (at > ROOT && tokens >= least) {
      const edge = this.#best[at];
      if (edge >= 0) {
        const next = this.#to[edge];
        const found = {
          token: this.#token[edge],
          count: this.#count[next],
          of: this.#followed[at],
        };
        return { ...found, state: at, length: tokens };
      }
      at = this.#link[at];
      tokens = this.#length[at];
    }
    return undefined;
  }

  /** The state of a sequence that had this state once: states are split as tokens are added. */
  #settle(state: number, length: number): number {
    let at = state;
    while (at > ROOT && this.#length[this.#link[at]] >= length) at = this.#link[at];
    return at;
  }

  /** Adds the current document with one more token; returns its state. */
  #append(token: number): number {
    const before = this.#last;
    const known = this.#find(before, token);
    // Another document begins with the current one.
    if (known >= 0) return this.#split(before, known);
    const state = this.#state({ length: this.#length[before] + 1, link: ROOT, count: 0 });
    let at = before;
    for (; at >= ROOT; at = this.#link[at]) {
      const edge = this.#find(at, token);
      if (edge >= 0) {
        this.#link[state] = this.#split(at, edge);
        return state;
      }
      this.#edge(at, token, state);
    }
    return state;
  }

  /**
   * The state of the sequence `at` and the token of its `edge`, which gets a state of its own where
   * it shares one with longer ones.
   */
  #split(at: number, edge: number): number {
    const shared = this.#to[edge];
    const length = this.#length[at] + 1;
    if (this.#length[shared] === length) return shared;
    const token = this.#token[edge];
    const own = this.#state({ length, link: this.#link[shared], count: this.#count[shared] });
    this.#followed[own] = this.#followed[shared];
    const best = this.#best[shared];
    for (let e = this.#first[shared]; e >= 0; e = this.#older[e]) {
      const copy = this.#edge(own, this.#token[e], this.#to[e]);
      if (e === best) this.#best[own] = copy;
    }
    this.#link[shared] = own;
    for (let from = at; from >= ROOT; from = this.#link[from]) {
      const found = this.#find(from, token);
      if (this.#to[found] !== shared) break;
      this.#to[found] = own;
    }
    return own;
  }

  #state({ length, link, count }: { length: number; link: number; count: number }): number {
    if (this.#states === this.#length.length) {
      this.#length = grown(this.#length);
      this.#link = grown(this.#link);
      this.#first = grown(this.#first);
      this.#count = grown(this.#count);
      this.#followed = grown(this.#followed);
      this.#best = grown(this.#best);
    }
    const state = this.#states++;
    this.#length[state] = length;
    this.#link[state] = link;
    this.#first[state] = this.#best[state] = -1;
    this.#count[state] = count;
    return state;
  }

  #edge(from: number, token: number, to: number): number {
    if (this.#edges === this.#from.length) {
      this.#from = grown(this.#from);
      this.#token = grown(this.#token);
      this.#to = grown(this.#to);
      this.#older = grown(this.#older);
    }
    if (2 * this.#edges >= this.#table.length) {
      this.#table = new Int32Array(2 * this.#table.length).fill(-1);
      for (let edge = 0; edge < this.#edges; edge++) {
        this.#table[this.#slot(this.#from[edge], this.#token[edge])] = edge;
      }
    }
    const edge = this.#edges++;
    this.#from[edge] = from;
    this.#token[edge] = token;
    this.#to[edge] = to;
    this.#older[edge] = this.#first[from];
    this.#first[from] = edge;
    this.#table[this.#slot(from, token)] = edge;
    return edge;
  }

  /** The edge of a state with this token; -1: it has none. */
  #find(state: number, token: number): number {
    return this.#table[this.#slot(state, token)];
  }

  /** Where the edge stands in the table, or would. */
  #slot(state: number, token: number): number {
    const mask = this.#table.length - 1;
    let slot = hash(state, token) & mask;
    for (;;) {
      const edge = this.#table[slot];
      if (edge < 0 || this.#from[edge] === state && this.#token[edge] === token) return slot;
      slot = (slot + 1) & mask;
    }
  }
}

function arrays(count: number, length: number): Int32Array[] {
  return Array.from({ length: count }, () => new Int32Array(length));
}

/** A copy of twice the length. */
function grown(array: Int32Array): Int32Array {
  const twice = new Int32Array(2 * array.length);
  twice.set(array);
  return twice;
}

/** 32-bit hash of a state and a token (the finaliser of MurmurHash3). */
function hash(state: number, token: number): number {
  let x = Math.imul(state, 0x9e3779b1) + token | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
