import assert from "node:assert/strict";
import { samplingSchema, shapeSchema } from "../pipeline/mod.ts";
import { ArbiterCore } from "./core.ts";
import type { Effect } from "./effects.ts";
import { type OpenMessage, rowsSchema } from "./messages.ts";

const G = "d/generation/g";

/** An arbiter of two stages; `take` pumps and gives the effects since. */
function core(capacityRows = 1024) {
  let now = 0;
  let arenas = 0;
  const made = new ArbiterCore({
    self: "d/arbiter/a",
    stages: 2,
    shape: shapeSchema.parse({}),
    capacityRows,
    now: () => now,
    nameArena: () => `arena${arenas++}`,
  });
  return {
    core: made,
    wait: (ms: number) => void (now += ms),
    take: () => {
      made.pump();
      return made.takeEffects();
    },
  };
}

const open = (
  generation: string,
  prompt: number,
  more: Partial<OpenMessage> = {},
): OpenMessage => ({
  generation,
  prompt: Int32Array.from({ length: prompt }, (_, i) => i),
  sampling: samplingSchema.parse({}),
  max_rows: prompt + 10,
  reuse: true,
  ...more,
});

const frames = (effects: Effect[]) => effects.flatMap((e) => e.kind === "frame" ? [e.frame] : []);

/** The last stage's answer: the token of each wanted row is 50. */
const answer = (frame: ReturnType<typeof frames>[number]) => ({
  arena: frame.arena,
  seq: frame.seq,
  tokens: Array.from(frame.want, (i) => ({ slot: frame.base + i, token: 50 })),
  trace: [0, 1].map((stage) => ({ stage, received: 0, began: 0, ended: 10 })),
  hidden_bytes: 8 * frame.tokens.length,
});

const failed = (effects: Effect[]) =>
  effects.flatMap((e) => e.kind === "failed" ? [[e.to, e.error.code]] : []);

Deno.test("ArbiterCore.open() sends the prompt in pieces, the first with the arena's layout", () => {
  const { core: made, take } = core();
  made.open(open(G, 100, { pieces: [40, 60] }));
  const sent = frames(take());
  assert.deepEqual(sent.map((f) => [f.arena, f.seq, f.base, f.tokens.length]), [
    ["arena0", 0, 0, 40],
    ["arena0", 1, 40, 60],
  ]);
  assert.equal(sent[0].layout!.capacity, 256);
  assert.deepEqual(sent.map((f) => [...f.want]), [[], [59]]);
  assert.deepEqual([sent[1].samplers!.length, made.inFlight], [1, [0, 1]]);
});

Deno.test("ArbiterCore.open() refuses a request twice, and one that can never fit", () => {
  const { core: made, take } = core(64);
  made.open(open(G, 10));
  made.open(open(G, 10));
  made.open(open("d/generation/large", 100));
  assert.deepEqual(failed(take()), [
    [G, "already_started"],
    ["d/generation/large", "too_many_rows"],
  ]);
});

Deno.test("ArbiterCore.answered() tells the Generation by row number, and close() what it has cost", () => {
  const { core: made, take, wait } = core();
  made.open(open(G, 3));
  const [frame] = frames(take());
  wait(30);
  made.answered(answer(frame));
  const effects = take();
  assert.equal(effects.length, 1);
  assert.deepEqual(effects[0], {
    kind: "results",
    to: G,
    results: {
      results: [{ token: 50, row: 2 }],
      in_flight: 0,
      lanes: 1,
      frame_ms: 30,
      wait_ms: 0,
      slowest_ms: 10,
      reused_rows: 0,
    },
  });
  const usage = made.close(G);
  assert.deepEqual(
    [usage.frames, usage.rows, usage.pieces, usage.bytes_per_row_per_hop],
    [1, 3, 1, 8],
  );
  assert.equal(usage.bubble_share, 1 - 20 / 60);
  assert.ok(made.idle);
  assert.equal(made.close(G).frames, 0, "the request is not open any more");
});

Deno.test("ArbiterCore.drop() cancels frames whose rows are all dropped", () => {
  const { core: made, take } = core();
  made.open(open(G, 3));
  made.answered(answer(frames(take())[0]));
  made.rows(rowsSchema.parse({
    generation: G,
    first: 3,
    tokens: Int32Array.of(50),
    positions: Int32Array.of(3),
    parents: Int32Array.of(2),
    want: Int32Array.of(0),
    kind: "decode",
  }));
  const [frame] = frames(take());
  made.drop({ generation: G, rows: Int32Array.of(3) });
  assert.deepEqual(take(), [{ kind: "cancel", arena: "arena0", seqs: [frame.seq] }]);
  made.answered(answer(frame));
  assert.deepEqual(take(), [], "its answer comes too late");
});

Deno.test("ArbiterCore.rows() fails a request whose rows make no sense", () => {
  const { core: made, take } = core();
  made.open(open(G, 3));
  take();
  const none = new Int32Array(1);
  const rows = { tokens: none, positions: none, parents: Int32Array.of(77), want: none };
  made.rows(rowsSchema.parse({ generation: G, first: 3, kind: "decode", ...rows }));
  assert.deepEqual(failed(take()), [[G, "bad_rows"]]);
  assert.ok(made.idle);
});

Deno.test("ArbiterCore.failed() fails requests in the lost arena, and begins the others in a new one", () => {
  const { core: made, take } = core(256);
  made.open(open(G, 100, { max_rows: 200 }));
  take();
  made.open(open("d/generation/later", 100, { max_rows: 200 }));
  assert.deepEqual(take(), [], "both do not fit");
  const error = { group: "engine", code: "engine_failed", message: "worker died" };
  made.failed({ arena: "arena0", error });
  const effects = take();
  assert.deepEqual(failed(effects), [[G, "engine_failed"]]);
  assert.ok(effects.some((e) => e.kind === "close" && e.arena === "arena0"));
  assert.equal(frames(effects)[0].arena, "arena1");
  made.failed({ arena: "arena0", error });
  assert.deepEqual(failed(take()), [], "that arena is closed already");
});

Deno.test("ArbiterCore.failed() sends rows again in a smaller arena when memory is refused", () => {
  const { core: made, take } = core();
  made.open(open(G, 20, { max_rows: 500 }));
  const [first] = frames(take());
  assert.equal(first.layout!.capacity, 512);
  const error = { group: "engine", code: "arena_memory", message: "no memory" };
  made.failed({ arena: first.arena, seq: first.seq, error });
  const effects = take();
  assert.deepEqual(failed(effects), []);
  const [again] = frames(effects);
  assert.deepEqual([again.layout!.capacity, again.tokens], [256, first.tokens]);
});

Deno.test("ArbiterCore.end() fails every open request and closes the arena", () => {
  const { core: made, take } = core(64);
  made.open(open(G, 10, { max_rows: 60 }));
  made.open(open("d/generation/waits", 10, { max_rows: 60 }));
  take();
  made.end({ group: "actor", code: "stages_silent", message: "no stage answered" });
  const effects = made.takeEffects();
  assert.deepEqual(failed(effects), [
    [G, "stages_silent"],
    ["d/generation/waits", "stages_silent"],
  ]);
  assert.deepEqual(effects.at(-1), { kind: "close", arena: "arena0" });
  assert.deepEqual([made.idle, made.arena], [true, undefined]);
});
