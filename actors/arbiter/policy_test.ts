import assert from "node:assert/strict";
import fc from "fast-check";
import { FrameCost } from "./frame_cost.ts";
import { choose, type Situation, spreadOf, windowOf } from "./policy.ts";

/** A cost model that has seen frames of `ms(rows)` at each stage. */
function costOf(stages: number, ms: (rows: number) => number, transitMs = 0): FrameCost {
  const cost = new FrameCost(stages);
  for (const rows of [1, 2, 4, 8, 16, 64, 128]) {
    const trace = Array.from(
      { length: stages },
      (_, stage) => ({ stage, received: 0, began: 0, ended: ms(rows) }),
    );
    cost.measure(rows, stages * ms(rows) + transitMs, trace);
    for (let i = 0; i < 3; i++) cost.tried(rows);
  }
  // The gateway needs no time.
  cost.returns.back(0, 1, 0);
  cost.returns.settle(new Map());
  return cost;
}

const batching = (rows: number) => 20 * (1 + 0.21 * (rows - 1));

function situation(more: Partial<Situation<string, string>>): Situation<string, string> {
  return {
    stages: 4,
    inFlight: 0,
    lanesInFlight: 0,
    laneFrames: 0,
    pieceFrames: 0,
    lanesOwed: 0,
    owedMs: 0,
    cap: 8,
    pieceMs: 0,
    cost: costOf(4, batching),
    pieces: [],
    decodes: [],
    drafts: [],
    ...more,
  };
}

const lanes = (n: number, request = "r", served = 0) =>
  Array.from({ length: n }, (_, i) => ({ row: `${request}${i}`, request, served }));

/** As `cost`, with every number of lanes tried. */
function tried(cost: FrameCost): FrameCost {
  for (let rows = 1; rows <= 64; rows++) for (let i = 0; i < 3; i++) cost.tried(rows);
  return cost;
}

Deno.test("choose() counts frames of lanes apart from pieces, but on a single stage", () => {
  const pieces = [{ job: "p", since: 0, left: 640, size: 64 }];
  const busy = { pieces, inFlight: 8, pieceFrames: 3, lanesInFlight: 5, laneFrames: 5 };
  const cost = costOf(4, batching);
  assert.equal(windowOf(4, cost, { rows: 64 }), 5);
  assert.equal(choose(situation({ ...busy, cost })).kind, "frame", "two more pieces have room");
  assert.equal(choose(situation({ ...busy, cost, pieceFrames: 5 })).kind, "none");
  const waits = { ...busy, cost, pieceMs: 1e6, decodes: lanes(3) };
  assert.equal(choose(situation({ ...waits, laneFrames: 1, pieceFrames: 7 })).kind, "frame");
  const single = { ...busy, stages: 1, cost: costOf(1, batching), inFlight: 2, laneFrames: 1 };
  assert.equal(choose(situation({ ...single, pieceFrames: 1 })).kind, "none");
});

Deno.test("spreadOf() lets lanes fill the pipeline first and share frames after", () => {
  const cost = tried(costOf(4, batching));
  const rows = (lanes: number, cap: number) => spreadOf(lanes, cap, { cost }).rows;
  assert.deepEqual([1, 2, 4, 8, 16].map((n) => rows(n, 64)), [1, 1, 1, 2, 4]);
  assert.deepEqual(spreadOf(10, 64, { cost }).frames, 4, "evenly: 3, 3, 2 and 2");
  assert.equal(rows(16, 2), 2, "the cap holds");
  // Where a row costs as much as a frame of its own, frames have nothing to gain but overlap.
  const linear = tried(costOf(1, (n) => 20 * n, 20));
  assert.deepEqual(spreadOf(8, 64, { cost: linear }), { frames: 2, rows: 4, roundMs: 160 });
});

Deno.test("spreadOf() counts the time in which lanes come back, and overlaps it with the stages' work", () => {
  const slow = tried(costOf(1, batching));
  const quick = tried(costOf(1, batching));
  for (const [cost, ms] of [[slow, 10], [quick, 0.1]] as const) {
    for (let i = 1; i < 40; i++) {
      cost.returns.back(1e4 * i, 8, 1e4 * i + 8 * ms);
      cost.returns.settle(new Map());
    }
  }
  assert.deepEqual(spreadOf(8, 64, { cost: quick }).frames, 1);
  assert.ok(spreadOf(8, 64, { cost: slow }).frames > 1);
});

Deno.test("spreadOf() tries a size that was not tried where it may be as fast", () => {
  const linear = () => costOf(1, (rows) => 20 * rows); // 1, 2, 4, 8 ... rows were tried
  const cost = linear();
  assert.equal(spreadOf(6, 64, { cost }).rows, 6);
  for (let i = 0; i < 3; i++) cost.tried(6);
  assert.equal(spreadOf(6, 64, { cost }).rows, 3);
  assert.equal(spreadOf(6, 64, { cost: tried(linear()) }).rows, 6, "of equals the fewest frames");
  const steps = tried(costOf(1, (rows) => rows <= 4 ? 20 : 60));
  assert.equal(spreadOf(8, 64, { cost: steps }).rows, 4);
});

Deno.test("windowOf() keeps the slowest stage busy until the first frame is answered, and has a bound", () => {
  assert.equal(windowOf(4, new FrameCost(4)), 6, "links are not measured");
  assert.equal(windowOf(4, costOf(4, batching)), 5);
  assert.equal(windowOf(4, costOf(4, batching, 45)), 7);
  assert.equal(windowOf(4, costOf(4, batching, 1e6)), 24);
  // 45 ms on the way are little beside a piece that takes a stage 265 ms.
  assert.equal(windowOf(4, costOf(4, batching, 45), { rows: 64 }), 5);
  assert.deepEqual(choose(situation({ inFlight: 5, decodes: lanes(1) })), { kind: "none" });
  const pieces = [{ job: "p", since: 0, left: 64, size: 64 }];
  assert.deepEqual(choose(situation({ inFlight: 5, pieceFrames: 5, pieces })), { kind: "none" });
});

Deno.test("choose() lets pieces and decode frames take turns, whichever are more", () => {
  const pieces = [{ job: "p", since: 0, left: 500, size: 64 }];
  const first = choose(situation({ pieces, decodes: lanes(3), pieceMs: 0 }));
  assert.ok(first.kind === "frame" && first.pieces[0].rows === 64);
  const second = choose(situation({ pieces, decodes: lanes(3), pieceMs: 1e6 }));
  assert.ok(second.kind === "frame" && second.pieces.length === 0 && second.decodes.length > 0);
});

Deno.test("choose() sends pieces in a row while they take no longer than a frame of the lanes", () => {
  const pieces = [{ job: "p", since: 0, left: 500, size: 8 }];
  const lots = { pieces, decodes: lanes(8), cap: 8 };
  const cost = costOf(1, batching);
  const piece = cost.slowest(8);
  const kindAfter = (pieceMs: number, more = cost) => {
    const choice = choose(situation({ ...lots, stages: 1, cost: more, pieceMs }));
    assert.ok(choice.kind === "frame");
    return choice.pieces.length > 0 ? "piece" : "lanes";
  };
  assert.equal(kindAfter(0), "piece");
  assert.equal(kindAfter(piece), "lanes", "a second one would take longer than the lanes' frame");
  // A token of 8 lanes takes the gateway as long as 30 pieces take the stage: it shares the time out.
  const busy = costOf(1, batching);
  for (let i = 1; i <= 160; i++) {
    const n = 2 ** (i % 4);
    busy.returns.back(1e4 * i, n, 1e4 * i + n / 8 * 30 * piece);
    busy.returns.settle(new Map());
  }
  const { frames, roundMs } = spreadOf(8, 8, { cost: busy });
  const turn = roundMs / frames;
  assert.ok(turn > 2 * piece);
  assert.equal(kindAfter(turn - 1.5 * piece, busy), "piece");
  assert.equal(kindAfter(turn - 0.5 * piece, busy), "lanes");
});

Deno.test("choose() sends decode rows with a piece only where that is cheaper than a frame of their own", () => {
  const pieces = [{ job: "p", since: 0, left: 64, size: 64 }];
  const rides = choose(situation({ pieces, decodes: lanes(1) }));
  assert.ok(rides.kind === "frame" && rides.decodes.length === 1);
  const steep = costOf(4, (rows) => rows * rows);
  const stays = choose(situation({ pieces, decodes: lanes(1), cost: steep }));
  assert.ok(stays.kind === "frame" && stays.decodes.length === 0);
});

Deno.test("choose() sends short prompts together in one piece", () => {
  const pieces = [10, 20, 50].map((left, i) => ({ job: `p${i}`, since: 0, left, size: 64 }));
  const choice = choose(situation({ pieces }));
  assert.deepEqual(choice.kind === "frame" && choice.pieces.map((p) => p.rows), [10, 20, 34]);
});

Deno.test("choose() finishes a prompt that has begun, and lets short ones pass long ones that came just before", () => {
  const order = (pieces: { job: string; since: number; left: number }[]) => {
    const choice = choose(situation({ pieces: pieces.map((p) => ({ ...p, size: 64 })) }));
    return choice.kind === "frame" && choice.pieces[0].job;
  };
  const begun = [{ job: "new", since: 0, left: 128 }, { job: "begun", since: 1, left: 64 }];
  assert.equal(order(begun), "begun");
  const short = { job: "short", since: 500, left: 64 };
  assert.equal(order([{ job: "long", since: 0, left: 640 }, short]), "short");
  assert.equal(order([{ job: "long", since: 0, left: 128 }, short]), "long");
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
  const pieces = [{ job: "p", since: 0, left: 64, size: 64 }];
  assert.equal(choose(situation({ ...held, pieces, pieceMs: 1e6 })).kind, "frame");
});

Deno.test("choose() waits a moment for lanes that were just answered, and never for a lane that is alone", () => {
  const more = {
    decodes: lanes(1),
    lanesOwed: 1,
    lanesInFlight: 6,
    laneFrames: 3,
    inFlight: 3,
  };
  assert.deepEqual(choose(situation({ ...more, owedMs: 4.5 })), { kind: "linger", ms: 4.5 });
  assert.equal(choose(situation({ ...more, owedMs: 0 })).kind, "frame", "they are late");
  const one = { stages: 1, cost: costOf(1, batching), decodes: lanes(1), owedMs: 4 };
  assert.equal(
    choose(situation({ ...one, lanesOwed: 1 })).kind,
    "linger",
    "even while nothing is under way",
  );
  assert.equal(choose(situation(one)).kind, "frame");
});

Deno.test("choose() does not wait for lanes that fill the frames that are left for them", () => {
  // Seven lanes on four stages: three frames of two and one of one.
  const odd = { decodes: lanes(1), lanesOwed: 2, lanesInFlight: 4, laneFrames: 2, inFlight: 2 };
  assert.equal(choose(situation({ ...odd, owedMs: 9 })).kind, "frame");
  assert.equal(choose(situation({ ...odd, lanesOwed: 3, owedMs: 9 })).kind, "linger");
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
        (_, i) => ({ job: `p${i}`, since: 0, left: 5, size: 8 }),
      );
      const choice = choose(
        situation({ decodes, drafts, pieces, pieceMs: lastWasPiece ? 1e6 : 0 }),
      );
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
