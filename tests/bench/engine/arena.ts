/**
 * Measures what sharing an arena costs: the slots of other requests, which a row does not see, the
 * mask that hides them, and a new layout.
 *
 * @module
 */
import type { StageEngine } from "../../../actors/pipeline/engine.ts";
import { type Frame, samplingSchema } from "../../../actors/pipeline/frame.ts";
import { attentionBias } from "../../../runtime/engine/mask.ts";
import { Slots } from "../../../runtime/engine/slots.ts";

/** Figures of a shared arena, in milliseconds. */
export interface ArenaFigures {
  /**
   * Number of other requests' slots before a row -> CPU milliseconds of a frame of that row, with
   * its token wanted.
   */
  foreignCpuMs: Record<number, number>;
  /** CPU milliseconds of the same frame when the row sees all those slots. */
  ownCpuMs: number;
  /** Milliseconds of a layout from an arena of FOREIGN rows to one of twice its capacity. */
  growMs: number;
  /** Milliseconds of a layout in place that drops every second run of 8 rows. */
  compactMs: number;
}

/** Rows of other requests in the arena. */
export const FOREIGN = 2000;
const PIECE = 64;

const chain = (
  base: number,
  rows: number,
  first: { parent: number; position: number },
  want: number[],
): Frame => ({
  arena: "shared",
  seq: 0,
  samplers: [{ id: 0, sampling: samplingSchema.parse({}), prompt_rows: 0 }],
  base,
  tokens: Int32Array.from({ length: rows }, (_, i) => (base + i) % 250),
  positions: Int32Array.from({ length: rows }, (_, i) => first.position + i),
  parents: Int32Array.from({ length: rows }, (_, i) => i === 0 ? first.parent : base + i - 1),
  want: Int32Array.from(want),
  want_samplers: new Int32Array(want.length),
});

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/**
 * Measures a shared arena of an engine that holds a whole model. `cpuMs` returns the CPU
 * milliseconds of the process so far.
 */
export async function measureArena(
  engine: StageEngine,
  cpuMs: () => number,
): Promise<ArenaFigures> {
  const open = (capacity: number) => engine.layout("shared", { capacity, keep: new Int32Array(0) });
  const root = { parent: -1, position: 0 };
  /** The least of some batches, since disturbances only ever add time. */
  const one = async (base: number, first = root) => {
    let least = Infinity;
    const frames = 6;
    for (let batch = 0; batch < 3; batch++) {
      const start = cpuMs();
      for (let i = 0; i < frames; i++) await engine.run(chain(base, 1, first, [0]));
      least = Math.min(least, (cpuMs() - start) / frames);
    }
    return least;
  };
  await open(FOREIGN + PIECE);
  await engine.run(chain(0, 1, root, [0]));
  const foreignCpuMs: Record<number, number> = { 0: await one(0) };
  // Chains as long as the model's context, each from a new root: the rows of several requests.
  const length = Math.min(engine.info.context, 1000);
  for (let base = 0; base < FOREIGN;) {
    const at = base % length;
    const rows = Math.min(PIECE, length - at, FOREIGN - base);
    await engine.run(chain(base, rows, at === 0 ? root : { parent: base - 1, position: at }, []));
    base += rows;
    if (base === 8 * PIECE || base === FOREIGN) foreignCpuMs[base] = await one(base);
  }
  const ownCpuMs = await one(FOREIGN, {
    parent: FOREIGN - 1,
    position: Math.min(length, engine.info.context - 1),
  });
  const all = Int32Array.from({ length: FOREIGN }, (_, slot) => slot);
  let capacity = FOREIGN + PIECE;
  const sizes: number[] = [];
  for (let i = 0; i < 4; i++) {
    capacity = i % 2 ? FOREIGN + PIECE : 2 * (FOREIGN + PIECE);
    sizes.push(await timed(() => engine.layout("shared", { capacity, keep: all })));
  }
  const growMs = Math.min(...sizes);
  // Short chains side by side, as lanes that take turns leave them. Half of them end.
  await open(capacity);
  for (let base = 0; base < FOREIGN; base += PIECE) {
    const rows = chain(base, Math.min(PIECE, FOREIGN - base), root, []);
    rows.parents = rows.parents.map((parent, i) => i % 8 === 0 ? -1 : parent);
    rows.positions = rows.positions.map((_, i) => i % 8);
    await engine.run(rows);
  }
  const compactMs = await timed(() =>
    engine.layout("shared", { capacity, keep: all.filter((slot) => slot % 16 < 8) })
  );
  await engine.close("shared");
  return { foreignCpuMs, ownCpuMs, growMs, compactMs };
}

/**
 * Microseconds for the bias of a frame with one row of each of `lanes` lanes, each of which has
 * `steps` rows in the arena. With `turns` the lanes' rows alternate (every run is one row long),
 * else each lane is one run.
 */
export function measureMask(lanes: number, steps: number, turns: boolean): number {
  const slots = new Slots(lanes * (steps + 1));
  const slot = (lane: number, step: number) => turns ? step * lanes + lane : lane * steps + step;
  const total = lanes * steps;
  const parents = new Int32Array(total), positions = new Int32Array(total);
  for (let lane = 0; lane < lanes; lane++) {
    for (let step = 0; step < steps; step++) {
      parents[slot(lane, step)] = step === 0 ? -1 : slot(lane, step - 1);
      positions[slot(lane, step)] = step;
    }
  }
  slots.write({ base: 0, tokens: positions, positions, parents });
  slots.write({
    base: total,
    tokens: new Int32Array(lanes),
    positions: new Int32Array(lanes).fill(steps),
    parents: Int32Array.from({ length: lanes }, (_, lane) => slot(lane, steps - 1)),
  });
  const out = new Float32Array(lanes * (total + lanes));
  for (let i = 0; i < 200; i++) attentionBias(slots, total, lanes, { out });
  const frames = 500;
  const start = performance.now();
  for (let i = 0; i < frames; i++) attentionBias(slots, total, lanes, { out });
  return (performance.now() - start) / frames * 1000;
}
