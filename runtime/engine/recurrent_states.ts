/**
 * The recurrent states that an arena keeps, and the segments as which a frame's rows are run over
 * them; see `models/graph/contract.ts`.
 *
 * A state belongs to a row: it is what all rows from the root to this one have made of it. Keeping
 * one for each row would take megabytes a row, so a few are kept, and a segment begins after the
 * nearest row whose state is known. That changes no number, only the work: the operator computes
 * one row after the other.
 *
 * @module
 */
import { stateCount } from "../../actors/pipeline/mod.ts";
import { stateElements } from "../../models/mod.ts";
import { SEGMENT_GROUPS, type StateCache } from "../../models/graph/contract.ts";
import { convolutionTaps, slotIndices } from "./convolution_taps.ts";
import { int64Tensor, OrtTensor, type OrtTensors } from "./ort.ts";
import type { Slots } from "./slots.ts";

/** A segment of so many rows or more is worth a new state. */
const WORTH_KEEPING = 4;
/**
 * Where so many rows or more stand between a known state and a frame, the state before the frame is
 * kept too: that after a frame of drafts is of no use once the last one is rejected.
 */
const MOST_BETWEEN = 8;
/** Positions that kept states on one path are apart, but for the two nearest to its end. */
const SPACING = 128;

/** A state that is kept. */
interface Known {
  /** Slot of the row to which it belongs. */
  slot: number;
  /** Number of the frame that used it last. */
  used: number;
}

/** Rows of a frame that are run one after the other. */
export interface Segment {
  /** Their slots, and those of the rows between the known state and the frame. */
  slots: number[];
  /** Number of the known state before them; 0: there is none. */
  root: number;
}

/** How the rows of a frame are run. */
export interface FrameSegments {
  segments: Segment[];
  /** Inputs of the session beside the states. The caller releases them. */
  feeds: OrtTensors;
  /** Rows whose states are kept from now on: slot by number. */
  kept: Map<number, number>;
}

/** See the module's text. */
export class RecurrentStates {
  readonly #caches: readonly StateCache[];
  readonly #kernel: number;
  /** The states by their numbers, from 1 on; undefined: the place is free. */
  #known: (Known | undefined)[];
  #buffers: Float32Array<ArrayBuffer>[];
  #tensors?: { feeds: OrtTensors; fetches: OrtTensors };
  #frame = 0;

  /** No states yet, in an arena of `capacity` rows. Throws RangeError where memory is short. */
  constructor(
    { kernel, states }: { kernel: number; states: readonly StateCache[] },
    capacity: number,
  ) {
    this.#caches = states;
    this.#kernel = kernel;
    this.#known = new Array(stateCount(capacity)).fill(undefined);
    this.#buffers = this.#allocate(this.#known.length);
  }

  /** How many states are kept. */
  get count(): number {
    return this.#known.filter((known) => known).length;
  }

  /** The states as a session takes them: it reads and writes the same buffers. */
  tensors(): { feeds: OrtTensors; fetches: OrtTensors } {
    return this.#tensors ??= this.#makeTensors();
  }

  /**
   * Says how the rows in slots base .. base + rows - 1 are run, which have just been written;
   * `first` is the first slot of their view. {@linkcode RecurrentStates.keep} must follow once they
   * were run.
   */
  segments(
    slots: Slots,
    base: number,
    rows: number,
    first: number,
  ): FrameSegments {
    this.#frame++;
    this.#forget(slots, base, base + rows);
    const whole = leavesOf(slots, base, rows).map((leaf) => this.#segment(slots, leaf));
    const before = whole.map(({ root, slots }) => ({ root, slots: slots.filter((s) => s < base) }))
      .filter(({ slots: { length } }) => length >= MOST_BETWEEN);
    const between = [...new Map(before.map((segment) => [endOf(segment), segment])).values()];
    const kept = this.#placesFor(slots, whole, between);
    const placed = new Set(kept.values());
    const segments = [...whole, ...between.filter((part) => placed.has(endOf(part)))];
    return { segments, feeds: this.#feeds(slots, segments, { base, rows, first, kept }), kept };
  }

  /** Notes that the states of these rows were written; those of damaged rows are not used. */
  keep(kept: Map<number, number>, slots: Slots): void {
    for (const [number, slot] of kept) {
      if (slots.isDamaged(slot)) continue;
      this.#known[number] = { slot, used: this.#frame };
    }
  }

  /**
   * Follows rows to other slots: `now` gives the new slot of an old one, undefined for a row that
   * is not kept. Throws RangeError where memory is short; nothing has changed then.
   */
  move(capacity: number, now: (slot: number) => number | undefined): void {
    const size = stateCount(capacity);
    const moved = this.#known.map((known) => {
      const slot = known && now(known.slot);
      return slot === undefined ? undefined : { ...known!, slot };
    });
    if (size === this.#known.length) {
      this.#known = moved;
      return;
    }
    const fresh = this.#allocate(size);
    const latest = [...moved.keys()].filter((number) => moved[number])
      .sort((a, b) => moved[b]!.used - moved[a]!.used)
      .slice(0, size - 1);
    const known: (Known | undefined)[] = new Array(size).fill(undefined);
    for (const [i, from] of latest.entries()) {
      known[i + 1] = moved[from];
      for (const [at, cache] of this.#caches.entries()) {
        const length = stateElements(cache);
        const state = this.#buffers[at].subarray(from * length, (from + 1) * length);
        fresh[at].set(state, (i + 1) * length);
      }
    }
    this.free();
    this.#buffers = fresh;
    this.#known = known;
  }

  /** Frees the memory. The object is unusable until it has got other memory. */
  free(): void {
    this.#releaseTensors();
    for (const { buffer } of this.#buffers) buffer.transfer(0);
  }

  /** Forgets the states of rows in these slots, which were overwritten, and of rows that are gone. */
  #forget(slots: Slots, base: number, end: number): void {
    for (const [number, known] of this.#known.entries()) {
      if (!known) continue;
      const { slot } = known;
      if ((slot >= base && slot < end) || !slots.holds(slot)) this.#known[number] = undefined;
    }
  }

  /** The states of rows on the path to a slot, the nearest first. */
  #onPath(slots: Slots, slot: number): number[] {
    const found: number[] = [];
    const left = [...this.#known.keys()].filter((number) => this.#known[number]);
    if (left.length === 0) return found;
    const slotOf = (number: number) => this.#known[number]!.slot;
    for (const { first, last } of slots.runs(slot)) {
      const here = left.filter((number) => slotOf(number) >= first && slotOf(number) <= last);
      found.push(...here.sort((a, b) => slotOf(b) - slotOf(a)));
    }
    return found;
  }

  /** The segment that ends with this row. */
  #segment(slots: Slots, leaf: number): Segment {
    const root = this.#onPath(slots, leaf)[0] ?? 0;
    const known = this.#known[root];
    if (known) known.used = this.#frame;
    const path: number[] = [];
    for (let slot = leaf; slot >= 0 && slot !== known?.slot; slot = slots.parent(slot)) {
      path.push(slot);
    }
    return { slots: path.reverse(), root };
  }

  /**
   * Numbers for the states after segments that are worth it, by number: after those that end before
   * the frame first. Such a one may replace the state before it, where there is no other room.
   */
  #placesFor(
    slots: Slots,
    whole: readonly Segment[],
    between: readonly Segment[],
  ): Map<number, number> {
    const places = new Map<number, number>();
    const roots = new Set(whole.map(({ root }) => root));
    const numbers = [...this.#known.keys()].slice(1);
    const place = (): number | undefined => {
      const unused = numbers.filter((number) => !places.has(number) && !roots.has(number));
      const free = unused.find((number) => !this.#known[number]);
      if (free !== undefined || unused.length === 0) return free;
      const oldest = unused.reduce((a, b) => this.#known[b]!.used < this.#known[a]!.used ? b : a);
      this.#known[oldest] = undefined;
      return oldest;
    };
    for (const segment of between) {
      this.#thin(slots, segment, roots);
      const { root } = segment;
      const own = root > 0 && whole.filter((other) => other.root === root).length === 1;
      const number = place() ?? (own ? root : undefined);
      if (number !== undefined) places.set(number, endOf(segment));
    }
    for (const segment of whole) {
      if (segment.slots.length < WORTH_KEEPING) continue;
      this.#thin(slots, segment, roots);
      const number = place();
      if (number !== undefined) places.set(number, endOf(segment));
    }
    // Should the frame fail, nobody takes what it has written for a state.
    for (const number of places.keys()) this.#known[number] = undefined;
    return places;
  }

  /**
   * Gives up the state before that before a segment, where a further one is near enough: the rows
   * of the segment may yet be rejected, but not those before it as well.
   */
  #thin(slots: Slots, { root, slots: [firstSlot] }: Segment, roots: ReadonlySet<number>): void {
    if (root === 0) return;
    const [, before, further] = this.#onPath(slots, slots.parent(firstSlot));
    if (before === undefined || roots.has(before)) return;
    const position = (number: number | undefined) =>
      number === undefined ? -1 : slots.position(this.#known[number]!.slot);
    if (position(root) - position(further) < SPACING) this.#known[before] = undefined;
  }

  /** The inputs of the session beside the states. */
  #feeds(
    slots: Slots,
    segments: readonly Segment[],
    { base, rows, first, kept }: {
      base: number;
      rows: number;
      first: number;
      kept: Map<number, number>;
    },
  ): OrtTensors {
    /** The rows of all segments: their places among them, by slot. */
    const places = new Map<number, number>();
    for (const { slots: path } of segments) {
      for (const slot of path) if (!places.has(slot)) places.set(slot, places.size);
    }
    const kernel = this.#kernel;
    const { taps, seen } = convolutionTaps(slots, [...places.keys()], { kernel, first });
    const numberOf = new Map([...kept].map(([number, slot]) => [slot, number]));
    const feeds: OrtTensors = {};
    const stepOf = new Int32Array(rows);
    const numbers: number[] = [];
    let before = 0;
    for (const [g, group] of grouped(segments).entries()) {
      const steps = group.at(-1)?.slots.length ?? 0;
      const indices = new Int32Array(group.length * steps);
      const live = new Float32Array(group.length * steps);
      for (const [n, { slots: path }] of group.entries()) {
        for (const [step, slot] of path.entries()) {
          const at = n * steps + step;
          indices[at] = places.get(slot)!;
          live[at] = 1;
          if (slot >= base) stepOf[slot - base] = before + at;
        }
      }
      before += indices.length;
      const saved = [...group.keys()].filter((n) => numberOf.has(endOf(group[n])));
      numbers.push(...saved.map((n) => numberOf.get(endOf(group[n]))!));
      const name = SEGMENT_GROUPS[g];
      const dims = [group.length, steps];
      feeds[`state_steps.${name}`] = int64Tensor(indices, dims);
      feeds[`state_live.${name}`] = new OrtTensor("float32", live, [...dims, 1]);
      feeds[`state_roots.${name}`] = int64Tensor(group.map(({ root }) => root), [group.length]);
      feeds[`state_saved.${name}`] = int64Tensor(saved, [saved.length]);
    }
    const placesOf = Array.from({ length: rows }, (_, row) => places.get(base + row)!);
    return {
      ...feeds,
      state_slots: int64Tensor(slotIndices(base - first, rows), [1, 1, rows, 3]),
      state_taps: int64Tensor(taps, [places.size, kernel]),
      state_seen: new OrtTensor("float32", seen, [places.size, kernel, 1]),
      state_own: int64Tensor(placesOf, [rows]),
      state_rows: int64Tensor(stepOf, [rows]),
      state_places: int64Tensor(numbers, [numbers.length, 1]),
    };
  }

  #allocate(count: number): Float32Array<ArrayBuffer>[] {
    return this.#caches.map((cache) => new Float32Array(count * stateElements(cache)));
  }

  #makeTensors(): { feeds: OrtTensors; fetches: OrtTensors } {
    const feeds: OrtTensors = {}, fetches: OrtTensors = {};
    for (const [i, { past, present, dims }] of this.#caches.entries()) {
      const tensor = new OrtTensor("float32", this.#buffers[i], [this.#known.length, ...dims]);
      feeds[past] = fetches[present] = tensor;
    }
    return { feeds, fetches };
  }

  #releaseTensors(): void {
    for (const tensor of Object.values(this.#tensors?.feeds ?? {})) tensor.release();
    this.#tensors = undefined;
  }
}

/**
 * The segments in two groups, of short and of long ones, each by length: so that those of a group,
 * which are as long as its longest, have least rows together. The first may be empty.
 */
function grouped(segments: readonly Segment[]): [Segment[], Segment[]] {
  const sorted = [...segments].sort((a, b) => a.slots.length - b.slots.length);
  const rows = (group: readonly Segment[]) => group.length * (group.at(-1)?.slots.length ?? 0);
  let [best, least] = [0, Infinity];
  for (let cut = 0; cut < sorted.length; cut++) {
    const sum = rows(sorted.slice(0, cut)) + rows(sorted.slice(cut));
    if (sum < least) [best, least] = [cut, sum];
  }
  return [sorted.slice(0, best), sorted.slice(best)];
}

const endOf = ({ slots }: Segment): number => slots.at(-1)!;

/** Slots of the frame's rows that have no child in the frame. */
function leavesOf(slots: Slots, base: number, rows: number): number[] {
  const hasChild = new Uint8Array(rows);
  for (let slot = base; slot < base + rows; slot++) {
    const parent = slots.parent(slot);
    if (parent >= base) hasChild[parent - base] = 1;
  }
  return [...hasChild.keys()].filter((row) => !hasChild[row]).map((row) => base + row);
}
