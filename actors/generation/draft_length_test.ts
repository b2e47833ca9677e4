import assert from "node:assert/strict";
import fc from "fast-check";
import { DraftLength } from "./draft_length.ts";

/**
 * Drafts of the planned length against a target that agrees with chance `share`; frames take
 * `base + rows * row` ms.
 */
function play(
  length: DraftLength,
  { share = 1, base = 50, row = 6, rounds = 200, draftMs = 0.5, said = 0.7 },
) {
  let turn = 0;
  for (let i = 0; i < rounds; i++) {
    const plan = length.plan();
    length.frame(1 + plan.length, base + row * (1 + plan.length));
    length.undrafted(1);
    if (plan.length === 0) continue;
    length.drafted(plan.length, draftMs * plan.length);
    for (let depth = 1; depth <= plan.length; depth++) {
      const right = (turn++ * 0.618) % 1 < share;
      length.judged(depth, said, right);
      if (!right) break;
    }
  }
  return length.plan();
}

const make = (draftLength = 16, stages = 1) => new DraftLength({ draftLength, stages });

Deno.test("DraftLength.plan() drafts nothing where nothing comes true, and tries again now and then", () => {
  const length = make();
  assert.equal(play(length, { share: 0 }).length, 0);
  let probes = 0;
  for (let i = 0; i < 320; i++) {
    length.undrafted(1);
    if (length.plan().length > 0) probes++;
  }
  assert.ok(probes >= 9 && probes <= 10, `${probes} probes in 320 tokens`);
});

Deno.test("DraftLength.plan() takes long drafts where all comes true and rows are cheap, shorter ones elsewhere", () => {
  assert.equal(play(make(), { share: 1, row: 1 }).length, 16);
  const likely = play(make(), { share: 0.8, row: 6 }).length;
  const unlikely = play(make(), { share: 0.5, row: 6 }).length;
  assert.ok(likely > unlikely && unlikely > 0, `${likely} > ${unlikely} > 0`);
  assert.equal(
    play(make(), { share: 0.8, row: 60, base: 1 }).length,
    0,
    "rows that cost a frame each gain nothing",
  );
});

Deno.test("DraftLength.plan() drafts less where the drafter is slow and shares the machine", () => {
  const fast = play(make(), { share: 0.8, draftMs: 1 }).length;
  const slow = play(make(), { share: 0.8, draftMs: 25 }).length;
  assert.ok(slow < fast, `${slow} < ${fast}`);
  assert.equal(play(make(), { share: 0.8, draftMs: 200 }).length, 0);
});

Deno.test("DraftLength.plan() sends small frames behind each other on several stages, one at a time on one", () => {
  const several = make(16, 4);
  const alone = make();
  for (const length of [several, alone]) play(length, { share: 0.9, row: 6, draftMs: 0 });
  const [many, one] = [several.plan({ lanes: 1, together: 1, continuous: true }), alone.plan()];
  assert.ok(many.depth >= 3 * many.frame, `${many.depth} rows in frames of ${many.frame}`);
  assert.ok(many.frame < one.frame, `${many.frame} < ${one.frame}`);
  assert.ok(many.ahead < 0.3 && one.ahead > 0.5, `${many.ahead}, ${one.ahead}`);
});

Deno.test("DraftLength.plan() takes a draft that is there by its own chances, or leaves it", () => {
  const length = make();
  play(length, { share: 0.6, draftMs: 0 });
  const usual = length.plan();
  const sure = length.plan(undefined, Array(16).fill(0.99));
  assert.ok(sure.rate > usual.rate && sure.length > usual.length, `${sure.rate} > ${usual.rate}`);
  assert.equal(length.plan(undefined, [0.99, 0.99]).length, 2, "it has no more tokens");
  for (let i = 0; i < 100; i++) {
    length.undrafted(8);
    assert.equal(length.plan(undefined, [0.01, 0.01]).length, 0, "none is tried");
  }
  assert.ok(length.plan(undefined, [0.01]).rate < usual.rate);
});

Deno.test("DraftLength.plan() drafts again when drafts begin to come true", () => {
  const length = make();
  assert.equal(play(length, { share: 0 }).length, 0);
  assert.ok(play(length, { share: 1, rounds: 600 }).length >= 4);
});

Deno.test("DraftLength.plan() takes no more than the longest allowed, whatever it is told", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 32 }),
      fc.integer({ min: 1, max: 8 }),
      fc.array(
        fc.oneof(
          fc.record({
            kind: fc.constant("frame"),
            rows: fc.nat(64),
            ms: fc.double({ min: 0, max: 1e4, noNaN: true }),
          }),
          fc.record({
            kind: fc.constant("judged"),
            depth: fc.integer({ min: 1, max: 40 }),
            right: fc.boolean(),
          }),
          fc.record({
            kind: fc.constant("drafted"),
            rows: fc.nat(16),
            ms: fc.double({ min: 0, max: 1e4, noNaN: true }),
          }),
        ),
      ),
      (draftLength, stages, events) => {
        const length = new DraftLength({ draftLength, stages });
        for (const e of events) {
          if ("depth" in e) length.judged(e.depth, 0.5, e.right);
          else if (e.kind === "frame") length.frame(e.rows, e.ms);
          else length.drafted(e.rows, e.ms);
          const plan = length.plan();
          assert.ok(plan.length >= 0 && plan.length <= Math.min(16, draftLength));
          for (const value of [plan.gain, plan.worth, plan.ahead]) {
            assert.ok(Number.isFinite(value));
          }
          assert.ok(plan.worth <= 0.9 && plan.ahead <= 1);
        }
      },
    ),
    { numRuns: 200, seed: 1 },
  );
});

Deno.test("new DraftLength() goes on where another left off, when given its snapshot", () => {
  const first = make();
  const plan = play(first, { share: 0.9 });
  const second = new DraftLength({ draftLength: 16, stages: 1, measured: first.snapshot() });
  assert.equal(second.plan().length, plan.length);
  assert.equal(second.acceptance, first.acceptance);
  const odd = new DraftLength({ draftLength: 16, stages: 1, measured: [1, NaN] });
  assert.deepEqual(odd.plan(), make().plan(), "figures of another shape are not taken");
});

/**
 * Four lanes, two a frame, whose drafts come true with chance `share`, as far as there are any.
 * Share of frames with drafts.
 */
function crowd(length: DraftLength, { share = 0.9, found = 1, row = 6 } = {}): number {
  let drafting = 0;
  for (let i = 0; i < 400; i++) {
    const { length: k } = length.plan({ lanes: 4, together: 2 });
    if (i >= 200 && k > 0) drafting++;
    const drafts = (i * 0.618) % 1 < found;
    if (k > 0) length.wanted(drafts);
    // A short frame comes back with the long one before it.
    length.frame(2 * (1 + (drafts ? k : 0)), 50 + row * 2 * (1 + k), { lanes: 4 });
    length.undrafted(1);
    for (let depth = 1; drafts && depth <= k; depth++) {
      const right = (i * 0.414 + depth * 0.732) % 1 < share;
      length.judged(depth, 0.7, right);
      if (!right) break;
    }
  }
  return drafting / 200;
}

Deno.test("DraftLength.plan() drafts for lanes that share frames where all have drafts, not where few have any", () => {
  assert.equal(crowd(make(8, 4)), 1);
  assert.ok(crowd(make(8, 4), { found: 0.05 }) < 0.05, "all would wait for one");
  assert.ok(crowd(make(8, 4), { row: 60 }) < 0.05, "rows cost too much");
});

Deno.test("DraftLength.frame() learns what rows cost though short frames wait for long ones", () => {
  const length = make(8, 4);
  const ms = (rows: number) => 20 + 10 * rows;
  for (let i = 0; i < 200; i++) {
    // Of three frames, the second stands behind the first, which is three times as long; the third
    // meets no other.
    length.frame(6, ms(6), { lanes: 8 });
    length.frame(2, ms(6), { lanes: 8 });
    length.frame(2, ms(2), { lanes: 8 });
  }
  const [n, rows, time, squares, products] = length.snapshot();
  const slope = (n * products - rows * time) / (n * squares - rows * rows);
  assert.ok(slope > 8 && slope < 12, `${slope} ms a row, where it is 10`);
});
