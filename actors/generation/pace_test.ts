import assert from "node:assert/strict";
import fc from "fast-check";
import { seededRandom } from "../system/mod.ts";
import { type DecodingWay, Pace } from "./pace.ts";

/** Milliseconds and tokens of a step in a way. */
type MakeStep = (way: DecodingWay) => { ms: number; tokens: number };

/** Decodes so many steps. Returns steps by way, milliseconds and tokens. */
function decode(
  pace: Pace,
  { steps, lanes = 1, make }: { steps: number; lanes?: number; make: MakeStep },
) {
  let [at, activity, tokens] = [0, 0, 0];
  const ways = { plain: 0, frames: 0, continuous: 0 };
  for (let i = 0; i < steps; i++) {
    ways[pace.way]++;
    if (pace.drafts) activity++;
    const step = make(pace.way);
    at += step.ms / lanes;
    tokens += step.tokens;
    pace.step({ tokens: step.tokens, lanes, activity, at });
  }
  return { ways, ms: at, tokens, share: 1 - ways.plain / steps };
}

const drafted = (ms: number, tokens: number): MakeStep => (way) =>
  way === "plain" ? { ms: 10, tokens: 1 } : { ms, tokens };
const fast = drafted(15, 3);
const slow = drafted(30, 2);

Deno.test("Pace.drafts is true where drafts are faster, false where they are not, and the other now and then", () => {
  for (const lanes of [1, 2, 8]) {
    const better = decode(new Pace(), { steps: 1000 * lanes, lanes, make: fast });
    assert.ok(better.share > 0.9 && better.share < 1, `${lanes} lanes: ${better.share}`);
    assert.ok(better.ms * lanes / better.tokens < 1.1 * 5);
    const worse = decode(new Pace(), { steps: 1000 * lanes, lanes, make: slow });
    assert.ok(worse.share > 0 && worse.share < 0.15, `${lanes} lanes: ${worse.share}`);
    assert.ok(worse.ms * lanes / worse.tokens < 1.1 * 10);
  }
});

Deno.test("Pace.way is the fastest of the three, for a lane that is alone", () => {
  const ms = { plain: 10, frames: 10, continuous: 10 };
  for (const best of ["plain", "frames", "continuous"] as const) {
    const make: MakeStep = (way) => ({ ms: { ...ms, [best]: 6 }[way], tokens: 1 });
    const { ways } = decode(new Pace({ stages: 4 }), { steps: 2000, make });
    assert.ok(ways[best] > 1700, `${best}: ${ways[best]} of 2000 steps`);
    const { ways: crowd } = decode(new Pace({ stages: 4 }), { steps: 800, lanes: 4, make });
    assert.equal(crowd.continuous, 0);
  }
});

Deno.test("Pace.way is measured apart for each number of lanes, those of other requests included", () => {
  const pace = new Pace();
  decode(pace, { steps: 200, make: fast });
  decode(pace, { steps: 1600, lanes: 8, make: slow });
  assert.ok(decode(pace, { steps: 100, make: fast }).share > 0.7);
  assert.ok(decode(pace, { steps: 400, lanes: 8, make: slow }).share < 0.2);
  const shared = new Pace({ measured: pace.snapshot() });
  shared.step({ tokens: 1, lanes: 1, sharing: 8, activity: 0, at: 0 });
  assert.equal(shared.way, "plain");
  shared.step({ tokens: 1, lanes: 1, sharing: 1, activity: 0, at: 1 });
  assert.notEqual(shared.way, "plain");
});

Deno.test("new Pace() goes on where another left off, and finds out when things have changed", () => {
  const first = new Pace();
  decode(first, { steps: 300, make: slow });
  const next = new Pace({ measured: first.snapshot() });
  assert.ok(decode(next, { steps: 60, make: slow }).share < 0.2);
  assert.ok(decode(next, { steps: 2500, make: fast }).share > 0.6);
  for (const wrong of [[], [1, 2], new Array(56).fill(NaN), new Array(56).fill(-1)]) {
    assert.equal(new Pace({ measured: wrong }).drafts, true);
  }
});

Deno.test("Pace.snapshot() lets answers of a few tokens tell as much as a long one", () => {
  let measured: number[] | undefined;
  let drafts = 0;
  for (let request = 0; request < 60; request++) {
    const pace = new Pace({ measured });
    drafts += decode(pace, { steps: 6, make: slow }).share / 60;
    measured = pace.snapshot();
  }
  assert.ok(drafts < 0.25, `${drafts} of the steps with drafts that are slower`);
});

Deno.test("Pace.interrupt() keeps the time of a prompt out of what is measured", () => {
  const pace = new Pace();
  let [at, activity] = [0, 0];
  for (let i = 0; i < 400; i++) {
    if (pace.drafts) activity++;
    // Whenever it does not draft a prompt comes between: as if plain decoding were slow.
    if (!pace.drafts && i % 4 === 0) {
      pace.interrupt();
      at += 500;
    }
    pace.step({ tokens: pace.drafts ? 2 : 1, lanes: 1, activity, at: at += pace.drafts ? 30 : 10 });
  }
  // Credit and present way, then milliseconds, tokens, windows and age of `frames` and of `plain`.
  const [, , , , , , ms, tokens] = pace.snapshot();
  assert.ok(tokens === 0 || ms / tokens < 20, `${ms / tokens} ms a token`);
});

/** Milliseconds of a frame by rows through all layers, as measured on real machines. */
const TABLES: [rows: number, ms: number][][] = [
  // A model of 0.5B parameters on one core.
  [[1, 20], [2, 23], [4, 30], [8, 48], [16, 82]],
  // The embedded model on one core.
  [[1, 0.85], [2, 0.98], [4, 1.38], [8, 2.73], [16, 3.82]],
  // The 0.5B model on 0.45 of a core.
  [[1, 68], [2, 97], [4, 147], [8, 287], [16, 574]],
];

function msOf(table: [number, number][], rows: number): number {
  const at = Math.max(1, table.findIndex(([r]) => r >= rows));
  const [[r0, t0], [r1, t1]] = [table[at - 1], table[at]];
  return t0 + (rows - r0) / (r1 - r0) * (t1 - t0);
}

interface DecodingWorld {
  table: [number, number][];
  stages: number;
  linkMs: number;
  draftMs: number;
  /** Rows of a frame with drafts. */
  rows: number;
  /** Share of its time that a device computes at most, 0 to 1: wasted rows use it up. */
  quota: number;
}

/** Steps of the three ways, where drafts come true with a chance that may change. */
function steps(w: DecodingWorld, acceptance: () => number, random: () => number): MakeStep {
  const stageMs = (rows: number) => msOf(w.table, rows) / w.stages;
  const trip = (rows: number) => msOf(w.table, rows) + (w.stages > 1 ? w.stages + 1 : 0) * w.linkMs;
  const right = (most: number) => {
    let n = 0;
    while (n < most && random() < acceptance()) n++;
    return n;
  };
  /** As long as it takes, or as the quota needs for what a stage computes meanwhile. */
  const limited = (ms: number, computed: number) => Math.max(ms, computed / w.quota);
  return (way) => {
    if (way === "plain") return { ms: limited(trip(1), stageMs(1)), tokens: 1 };
    const drafting = (w.rows - 1) * w.draftMs;
    if (way === "frames") {
      const tokens = 1 + right(w.rows - 1);
      return { ms: limited(trip(w.rows) + drafting, stageMs(w.rows)), tokens };
    }
    const tokens = right(w.rows);
    const interval = Math.max(stageMs(w.rows) / w.quota, w.rows * w.draftMs);
    // After a miss all that is under way is useless: a new frame starts behind one at work.
    if (tokens === w.rows) return { ms: interval, tokens };
    return { ms: interval * random() + trip(w.rows), tokens: tokens + 1 };
  };
}

const worlds: fc.Arbitrary<DecodingWorld> = fc.record({
  table: fc.constantFrom(...TABLES),
  stages: fc.constantFrom(1, 2, 4),
  linkMs: fc.double({ min: 0.3, max: 4, noNaN: true }),
  draftMs: fc.constantFrom(0, 0.2, 2, 20),
  rows: fc.constantFrom(2, 4, 8),
  quota: fc.constantFrom(1, 0.45, 0.2),
});

Deno.test("Pace is at most 5 % slower than plain decoding, in any world and when drafts cease to come true", () => {
  fc.assert(
    fc.property(
      worlds,
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 3 }),
      fc.nat(),
      (world, phases, seed) => {
        let acceptance = phases[0];
        const make = steps(world, () => acceptance, seededRandom(seed));
        const each = make("plain").ms;
        let measured: number[] | undefined;
        let [ms, tokens] = [0, 0];
        for (const phase of phases) {
          acceptance = phase;
          for (let answer = 0; answer < 8; answer++) {
            const pace = new Pace({ measured, stages: world.stages });
            const made = decode(pace, { steps: 250, make });
            measured = pace.snapshot();
            ms += made.ms;
            tokens += made.tokens;
          }
        }
        // At first each of both ways is measured in about 8 steps, whatever they cost.
        const first = 18 * Math.max(make("frames").ms, make("continuous").ms);
        assert.ok(
          ms - first < 1.05 * each * tokens,
          `${ms / tokens} ms a token, plain ${each} ms`,
        );
      },
    ),
    { numRuns: 200, seed: 3 },
  );
});

Deno.test("Pace is within 15 % of the fastest way in the long run, in any world", () => {
  fc.assert(
    fc.property(worlds, fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(), (world, a, seed) => {
      const make = steps(world, () => a, seededRandom(seed));
      const pace = new Pace({ stages: world.stages });
      decode(pace, { steps: 300, make });
      const made = decode(pace, { steps: 6000, make });
      const each = (["plain", "frames", "continuous"] as const).map((way) => {
        let [ms, tokens] = [0, 0];
        for (let i = 0; i < 2000; i++) {
          const step = make(way);
          ms += step.ms;
          tokens += step.tokens;
        }
        return ms / tokens;
      });
      const ratio = made.ms / made.tokens / Math.min(...each);
      assert.ok(ratio < 1.15, `${ratio} of the fastest way: ${each}, ${JSON.stringify(made.ways)}`);
    }),
    { numRuns: 100, seed: 5 },
  );
});
