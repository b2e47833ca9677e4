import assert from "node:assert/strict";
import { samplingSchema, shapeSchema } from "../pipeline/mod.ts";
import { Flights } from "./flights.ts";
import { FrameCost } from "./frame_cost.ts";
import { rowsSchema } from "./messages.ts";
import { PrefixCache } from "./prefix_cache.ts";
import { ArbiterRequest } from "./request.ts";
import { newRow, type Row, RowPool } from "./row_pool.ts";
import { situationOf } from "./situation.ts";

const shape = shapeSchema.parse({});

/** A request with a prompt of tokens 0, 1, 2 ... */
function request(prompt: number, reuse = true): ArbiterRequest {
  return new ArbiterRequest({
    generation: "d/generation/g",
    prompt: Int32Array.from({ length: prompt }, (_, i) => i),
    sampling: samplingSchema.parse({}),
    max_rows: 64,
    reuse,
  }, { order: 0, shape });
}

function poolOf(capacity = 100) {
  const pool = new RowPool();
  pool.capacity = capacity;
  return { pool, cache: new PrefixCache(pool) };
}

const situation = (running: ArbiterRequest[], cache: PrefixCache, now = 0) =>
  situationOf({
    stages: 2,
    running,
    flights: new Flights(),
    cache,
    cost: new FrameCost(2),
    cap: 8,
    pieceMs: 0,
    now,
  });

/** Adds rows that hang on each other from row 2 on; the first hangs on row `parent`. */
function add(to: ArbiterRequest, kind: "decode" | "draft", first: number, tokens: number[]): void {
  to.add(
    rowsSchema.parse({
      generation: to.generation,
      first,
      tokens: Int32Array.from(tokens),
      positions: Int32Array.from(tokens, (_, i) => first + i),
      parents: Int32Array.from(tokens, (_, i) => first + i - 1),
      want: new Int32Array(0),
      kind,
    }),
    shape,
  );
}

Deno.test("situationOf() offers rows whose parents stand in the arena, and drafts of rows that are offered", () => {
  const { pool, cache } = poolOf();
  const one = request(2, false);
  add(one, "decode", 2, [7]);
  add(one, "draft", 3, [8, 9]);
  const before = situation([one], cache);
  assert.deepEqual(before.pieces.map((p) => [p.left, p.size]), [[2, 64]]);
  assert.deepEqual([before.decodes, before.drafts], [[], []], "the prompt has not been sent");

  one.jobs = [];
  for (const i of [0, 1]) {
    const row = newRow(i, i, { parent: one.rows[i - 1] });
    pool.place(row);
    one.rows[i] = row;
  }
  const after = situation([one], cache);
  assert.deepEqual(after.decodes.map((d) => d.row.number), [2]);
  assert.deepEqual(after.drafts.map((d) => [d.row.number, d.parent?.number]), [[3, 2], [4, 3]]);
});

Deno.test("situationOf() lets cached rows stand for a prompt's, but for its last row", () => {
  const { pool, cache } = poolOf();
  let parent: Row | undefined;
  for (let i = 0; i < 5; i++) {
    parent = newRow(i, i, { parent });
    pool.place(parent);
    parent.done = true;
    assert.ok(cache.add(parent));
  }
  const [reused, alone] = [request(5), request(5, false)];
  const { pieces } = situation([reused, alone], cache);
  assert.deepEqual(pieces.map((p) => p.left), [1, 5]);
  assert.deepEqual([reused.tally.reused, alone.tally.reused], [4, 0]);
});

Deno.test("situationOf() counts lanes that were answered a moment ago, and forgets those that are late", () => {
  const { cache } = poolOf();
  const one = request(1);
  one.owed = [100, 102];
  const soon = situation([one], cache, 102.5);
  assert.deepEqual([soon.lanesOwed, soon.owedMs], [2, 2.5]); // 2 + 2 * 2 * 0.25 ms from 102 on
  const later = situation([one], cache, 104);
  assert.deepEqual([later.lanesOwed, one.owed], [1, [102]]);
});

Deno.test("situationOf() measures how long lanes take to come back, all that were answered together", () => {
  const { cache } = poolOf();
  const cost = new FrameCost(2);
  const at = (now: number, running: ArbiterRequest[]) =>
    situationOf({
      stages: 2,
      running,
      flights: new Flights(),
      cache,
      cost,
      cap: 8,
      pieceMs: 0,
      now,
    });
  const [one, two] = [request(2), request(2)];
  one.owed = [100, 100];
  two.owed = [100];
  add(one, "decode", 2, [7, 8]);
  assert.equal(at(101, [one, two]).lanesOwed, 1);
  add(two, "decode", 2, [7]);
  assert.equal(at(103, [one, two]).lanesOwed, 0);
  assert.equal(cost.returns.ms(3), 3);
  assert.equal(cost.returns.ms(6), 6, "beyond, in proportion");
});
