import assert from "node:assert/strict";
import { seededRandom } from "../../actors/system/simulation.ts";
import "../../tests/support/open_library.ts";
import { type FrameSegments, RecurrentStates } from "./recurrent_states.ts";
import { Slots } from "./slots.ts";

const CACHES = [{ past: "p", present: "q", dims: [1, 1, 1] as [number, number, number] }];

/** An arena in which a state is the list of the rows that made it. */
class World {
  readonly #random: () => number;
  slots = new Slots(256);
  readonly states = new RecurrentStates({ kernel: 3, states: CACHES }, 256);
  /** Rows from the root to the row in each slot. */
  paths = new Map<number, number[]>();
  /** The states by their numbers. */
  readonly #contents = new Map<number, number[]>([[0, []]]);
  #rows = 0;
  /** Rows in segments, those before the frames included. */
  run = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  pick(below: number): number {
    return Math.floor(this.#random() * below);
  }

  /** Runs rows at these slots; throws where a segment and its known state are not a row's path. */
  frame(base: number, parents: number[]): FrameSegments {
    const old = [...this.paths.keys()].filter((slot) => slot >= base);
    const positions = parents.map(() => 0);
    for (const [i, parent] of parents.entries()) {
      const before = parent < 0 ? [] : this.paths.get(parent)!;
      positions[i] = before.length;
      this.paths.set(base + i, [...before, this.#rows++]);
    }
    this.slots.write({
      base,
      tokens: new Int32Array(parents.length),
      positions: Int32Array.from(positions),
      parents: Int32Array.from(parents),
    });
    for (const slot of old) if (!this.slots.holds(slot)) this.paths.delete(slot);
    const made = this.states.segments(this.slots, base, parents.length, 0);
    const { segments, feeds, kept } = made;
    for (const tensor of Object.values(feeds)) tensor.release();
    const seen = new Set<number>();
    const after = new Map(segments.map(({ root, slots }) => {
      const end = slots.at(-1)!;
      const last = slots.map((slot) => this.paths.get(slot)!.at(-1)!);
      const state = [...this.#contents.get(root)!, ...last];
      assert.deepEqual(state, this.paths.get(end), `the segment that ends in slot ${end}`);
      for (const slot of slots) seen.add(slot);
      this.run += slots.length;
      return [end, state];
    }));
    for (let row = 0; row < parents.length; row++) assert.ok(seen.has(base + row));
    for (const [number, slot] of kept) this.#contents.set(number, after.get(slot)!);
    this.states.keep(kept, this.slots);
    return made;
  }

  /** Moves the rows of these slots to 0, 1, 2 ... and to the end of the arena. */
  layout(keep: number[], shelf: number[]): void {
    const { capacity } = this.slots;
    this.slots = this.slots.moved(capacity, Int32Array.from(keep), Int32Array.from(shelf));
    const now = new Map([
      ...keep.map((slot, i) => [slot, i] as const),
      ...shelf.map((slot, i) => [slot, capacity - shelf.length + i] as const),
    ]);
    this.states.move(capacity, (slot) => now.get(slot));
    this.paths = new Map(
      [...this.paths].flatMap(([slot, path]) => now.has(slot) ? [[now.get(slot)!, path]] : []),
    );
  }
}

Deno.test("RecurrentStates runs each row after exactly its ancestors, whatever happened to the arena", () => {
  for (let seed = 0; seed < 40; seed++) {
    const world = new World(seed);
    let end = 0;
    for (let step = 0; step < 60; step++) {
      const written = [...world.paths.keys()].filter((slot) => slot < end);
      if (step % 17 === 16) {
        // The rows of some paths stay; those of one of them are shelved.
        const ends = Array.from({ length: 3 }, () => written[world.pick(written.length)]);
        const slotsTo = (slot: number) =>
          written.filter((s) => world.paths.get(slot)!.includes(world.paths.get(s)!.at(-1)!));
        const keep = [...new Set([...slotsTo(ends[0]), ...slotsTo(ends[1])])].sort((a, b) => a - b);
        const shelf = slotsTo(ends[2]).filter((slot) => !keep.includes(slot));
        const cut = shelf.some((slot) => world.paths.get(slot)!.length > 1) &&
          slotsTo(ends[2]).some((slot) => keep.includes(slot));
        world.layout(keep, cut ? [] : shelf);
        end = keep.length;
        continue;
      }
      const base = written.length > 0 && world.pick(4) === 0
        ? Math.max(0, end - 1 - world.pick(6))
        : end;
      const rows = 1 + world.pick(9);
      if (base + rows > 200) break;
      const below = written.filter((slot) => slot < base);
      const parents: number[] = [];
      for (let row = 0; row < rows; row++) {
        const choice = world.pick(8);
        if (row > 0 && choice > 1) parents.push(base + row - 1);
        else if (choice === 0 || below.length === 0) parents.push(-1);
        else parents.push(below[world.pick(below.length)]);
      }
      world.frame(base, parents);
      end = base + rows;
    }
  }
});

Deno.test("RecurrentStates runs a few rows again for each token, and after rejected drafts", () => {
  const world = new World(1);
  world.frame(0, Array.from({ length: 40 }, (_, i) => i - 1));
  assert.equal(world.run, 40);
  world.run = 0;
  for (let slot = 40; slot < 140; slot++) world.frame(slot, [slot - 1]);
  assert.ok(world.run <= 250, `${world.run} rows were run for 100`);
  assert.ok(world.states.count <= 4, `${world.states.count} states for one text`);
  // Of six drafts one is right each time.
  world.run = 0;
  for (let slot = 140; slot < 190; slot += 2) {
    world.frame(slot, Array.from({ length: 7 }, (_, i) => slot + i - 1));
  }
  assert.ok(world.run <= 25 * 7 * 2, `${world.run} rows were run for 175`);
});

Deno.test("RecurrentStates keeps the states of the texts that go on", () => {
  const world = new World(1);
  world.frame(0, Array.from({ length: 8 * 20 }, (_, i) => i % 20 === 0 ? -1 : i - 1));
  world.run = 0;
  let ends = Array.from({ length: 8 }, (_, i) => 20 * i + 19);
  for (let base = 160; base < 248; base += 8) {
    world.frame(base, ends);
    ends = ends.map((_, i) => base + i);
  }
  // There is room for two states; six of the eight texts are run from their first rows on.
  assert.ok(world.run < 11 * 8 * 31, `${world.run}`);
});

Deno.test("RecurrentStates gives up the states of rows that another capacity leaves out", () => {
  const world = new World(1);
  world.frame(0, Array.from({ length: 30 }, (_, i) => i - 1));
  world.states.move(64, (slot) => slot < 10 ? slot : undefined);
  assert.equal(world.states.count, 0);
});
