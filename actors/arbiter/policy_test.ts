import assert from "node:assert/strict";
import fc from "fast-check";
import { FrameCost } from "./frame_cost.ts";
import { choose, rowsPerFrame, type Situation, windowOf } from "./policy.ts";

/** A cost model that has seen frames of `ms(rows)` at each stage. */
function costOf(stages: number, ms: (rows: number) => number, transitMs = 0): FrameCost {
  const cost = new FrameCost(stages);
  for (const rows of [1, 2, 4, 8, 16, 64, 128]) {
    const trace = Array.from(
      { length: stages },
      (_, stage) => ({ stage, received: 0, began: 0, ended: ms(rows) }),
    );
    cost.measure(rows, stages * ms(rows) + transitMs, trace);
  }
  return cost;
}

const batching = (rows: number) => 20 * (1 + 0.21 * (rows - 1));

function situation(more: Partial<Situation<string, string>>): Situation<string, string> {
  return {
    stages: 4,
    inFlight: 0,
    lanesInFlight: 0,
    laneFrames: 0,
    lanesOwed: 0,
    sinceAnswerMs: 100,
    cap: 8,
    lastWasPiece: false,
    cost: costOf(4, batching),
    pieces: [],
    decodes: [],
    drafts: [],
    ...more,
  };
}

const lanes = (n: number, request = "r", served = 0) =>
  Array.from({ length: n }, (_, i) => ({ row: `${request}${i}`, request, served }));

Deno.test("rowsPerFrame() lets lanes fill the pipeline first and share frames after", () => {
  const cost = costOf(4, batching);
  assert.deepEqual([1, 2, 4, 8, 16].map((n) => rowsPerFrame(n, 8, { cost })), [1, 1, 1, 2, 4]);
  assert.equal(rowsPerFrame(16, 2, { cost }), 2, "the plan's bound holds");
  // Where a row costs as much as a frame of its own, one stage has nothing to gain.
  assert.equal(rowsPerFrame(8, 8, { cost: costOf(1, (rows) => 20 * rows) }), 1);
});

Deno.test("windowOf() keeps the slowest stage busy until the first frame is answered, and has a bound", () => {
  assert.equal(windowOf(4, new FrameCost(4)), 6, "links are not measured");
  assert.equal(windowOf(4, costOf(4, batching)), 5);
  assert.equal(windowOf(4, costOf(4, batching, 45)), 7);
  assert.equal(windowOf(4, costOf(4, batching, 1e6)), 9);
  // 45 ms on the way are little beside a piece that takes a stage 265 ms.
  assert.equal(windowOf(4, costOf(4, batching, 45), { rows: 64 }), 5);
  assert.deepEqual(choose(situation({ inFlight: 5, decodes: lanes(1) })), { kind: "none" });
  const pieces = [{ job: "p", served: 0, left: 64, size: 64 }];
  assert.deepEqual(choose(situation({ inFlight: 5, pieces })), { kind: "none" });
});

Deno.test("choose() lets pieces and decode frames take turns, whichever are more", () => {
  const pieces = [{ job: "p", served: 1e9, left: 500, size: 64 }];
  const first = choose(situation({ pieces, decodes: lanes(3), lastWasPiece: false }));
  assert.ok(first.kind === "frame" && first.pieces[0].rows === 64);
  const second = choose(situation({ pieces, decodes: lanes(3), lastWasPiece: true }));
  assert.ok(second.kind === "frame" && second.pieces.length === 0 && second.decodes.length > 0);
});

Deno.test("choose() sends decode rows with a piece only where that is cheaper than a frame of their own", () => {
  const pieces = [{ job: "p", served: 0, left: 64, size: 64 }];
  const rides = choose(situation({ pieces, decodes: lanes(1) }));
  assert.ok(rides.kind === "frame" && rides.decodes.length === 1);
  const steep = costOf(4, (rows) => rows * rows);
  const stays = choose(situation({ pieces, decodes: lanes(1), cost: steep }));
  assert.ok(stays.kind === "frame" && stays.decodes.length === 0);
});

Deno.test("choose() sends short prompts together in one piece", () => {
  const pieces = [10, 20, 50].map((left, i) => ({ job: `p${i}`, served: i, left, size: 64 }));
  const choice = choose(situation({ pieces }));
  assert.deepEqual(choice.kind === "frame" && choice.pieces.map((p) => p.rows), [10, 20, 34]);
});

Deno.test("choose() takes the least served request first, and leaves places beside one with many lanes", () => {
  const decodes = [...lanes(6, "much"), ...lanes(1, "new")];
  const choice = choose(situation({ decodes, stages: 1, cap: 2, cost: costOf(1, batching) }));
  assert.deepEqual(choice.kind === "frame" && choice.decodes, ["much0", "new0"]);
  const behind = choose(
    situation({
      decodes: [...lanes(6, "much", 900), ...lanes(2, "new", 5)],
      stages: 1,
      cap: 2,
      cost: costOf(1, batching),
    }),
  );
  assert.deepEqual(behind.kind === "frame" && behind.decodes, ["new0", "new1"]);
});

const chain = (chances: number[], parent?: string) =>
  chances.map((chance, i) => ({
    row: `d${i}`,
    request: "r",
    parent: i ? `d${i - 1}` : parent,
    chance,
  }));

Deno.test("choose() sends all drafts of a lane that is alone; else each must give more tokens than it costs", () => {
  const drafts = chain([0.9, 0.5, 0.05], "r0");
  const alone = choose(situation({ decodes: lanes(1), drafts }));
  assert.deepEqual(alone.kind === "frame" && alone.drafts, ["d0", "d1", "d2"]);
  const shared = choose(situation({ decodes: lanes(1), drafts, lanesInFlight: 3 }));
  assert.deepEqual(shared.kind === "frame" && shared.drafts, ["d0", "d1"]);
  // Eight lanes in one frame of one stage are not alone either: nobody else waits, but they
  // themselves do.
  const one = { stages: 1, cost: costOf(1, batching), decodes: lanes(8), cap: 8 };
  const crowd = choose(situation({ ...one, drafts: chain([0.9, 0.3, 0.05], "r0") }));
  assert.deepEqual(crowd.kind === "frame" && crowd.drafts, ["d0"]);
});

Deno.test("choose() cuts the drafts of a lane that is alone into frames as large as they say", () => {
  const draft = (row: string, chance: number, parent?: string) => ({
    row,
    request: "r",
    parent,
    chance,
    frameRows: 3,
  });
  const chain = [draft("a", 0.9, "r0"), draft("b", 0.8, "a"), draft("c", 0.7, "b")];
  const first = choose(situation({ decodes: lanes(1), drafts: chain }));
  assert.deepEqual(first, { kind: "frame", pieces: [], decodes: ["r0"], drafts: ["a", "b"] });
  const rest = [draft("c", 0.7), draft("d", 0.6, "c"), draft("e", 0.5, "d"), draft("f", 0.4, "e")];
  const under = { inFlight: 1, lanesInFlight: 1, laneFrames: 1 };
  const next = choose(situation({ ...under, drafts: rest }));
  assert.deepEqual(next, { kind: "frame", pieces: [], decodes: [], drafts: ["c", "d", "e"] });
});

Deno.test("choose() sends drafts alone where lanes leave gaps, not where they would make lanes wait", () => {
  const drafts = chain([0.6, 0.4]);
  const gaps = choose(situation({ drafts, lanesInFlight: 1, laneFrames: 1, inFlight: 1 }));
  assert.ok(gaps.kind === "frame" && gaps.drafts.length > 0);
  const full = choose(situation({ drafts, lanesInFlight: 8, laneFrames: 4, inFlight: 4 }));
  assert.deepEqual(full, { kind: "none" });
});

Deno.test("choose() holds a draft whose parent was answered until the Generation says what came of it, or nothing", () => {
  const drafts = chain([0, 0.5]).slice(0, 1);
  const waits = choose(situation({ drafts, inFlight: 1, lanesInFlight: 1, laneFrames: 1 }));
  assert.deepEqual(waits, { kind: "none" }, "the next answer asks again");
  assert.equal(choose(situation({ drafts, lanesOwed: 1 })).kind, "linger");
  const silent = choose(situation({ drafts }));
  assert.deepEqual(silent.kind === "frame" && silent.drafts, ["d0"]);
});

Deno.test("choose() lets lanes that are too few for a frame wait for those under way, but never while a piece waits", () => {
  // Eight lanes on four stages: four frames of two.
  const held = { decodes: lanes(1), lanesInFlight: 7, laneFrames: 4, inFlight: 4 };
  assert.deepEqual(choose(situation(held)), { kind: "none" });
  assert.equal(
    choose(situation({ ...held, decodes: lanes(2), lanesInFlight: 6 })).kind,
    "frame",
    "a full frame",
  );
  assert.equal(choose(situation({ ...held, laneFrames: 3 })).kind, "frame", "a frame is missing");
  const pieces = [{ job: "p", served: 0, left: 64, size: 64 }];
  assert.equal(choose(situation({ ...held, pieces, lastWasPiece: true })).kind, "frame");
});

Deno.test("choose() waits a moment for lanes that were just answered, and never for a lane that is alone", () => {
  const more = {
    decodes: lanes(1),
    lanesOwed: 1,
    lanesInFlight: 6,
    laneFrames: 3,
    sinceAnswerMs: 0.5,
  };
  assert.deepEqual(choose(situation({ ...more, inFlight: 3 })), { kind: "linger", ms: 4.5 });
  assert.equal(choose(situation({ ...more, inFlight: 3, sinceAnswerMs: 9 })).kind, "frame");
  const one = { stages: 1, cost: costOf(1, batching), decodes: lanes(1), sinceAnswerMs: 0.5 };
  assert.equal(
    choose(situation({ ...one, lanesOwed: 1 })).kind,
    "linger",
    "even while nothing is under way",
  );
  assert.equal(choose(situation(one)).kind, "frame");
});

Deno.test("choose() uses a free slot whatever waits, and sends no draft without its parent", () => {
  fc.assert(fc.property(
    fc.nat(12),
    fc.nat(3),
    fc.array(fc.record({ chance: fc.double({ min: 0, max: 1, noNaN: true }), up: fc.nat(20) }), {
      maxLength: 12,
    }),
    fc.boolean(),
    (decoding, prompts, guesses, lastWasPiece) => {
      const decodes = lanes(decoding);
      const names = decodes.map((d) => d.row);
      const drafts = guesses.flatMap(({ chance, up }, i) => {
        if (names.length === 0) return [];
        const parent = names[up % names.length];
        names.push(`d${i}`);
        return [{ row: `d${i}`, request: "r", parent, chance }];
      });
      const pieces = Array.from(
        { length: prompts },
        (_, i) => ({ job: `p${i}`, served: 0, left: 5, size: 8 }),
      );
      const choice = choose(situation({ decodes, drafts, pieces, lastWasPiece }));
      if (decoding + prompts === 0) return assert.equal(choice.kind, "none");
      assert.ok(choice.kind === "frame");
      const gone = new Set(choice.decodes);
      for (const row of choice.drafts) {
        assert.ok(gone.has(drafts.find((d) => d.row === row)!.parent));
        gone.add(row);
      }
      assert.ok(gone.size + choice.pieces.length > 0);
      assert.ok(choice.decodes.length <= 8);
    },
  ));
});
