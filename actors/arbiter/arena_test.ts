import assert from "node:assert/strict";
import { samplingSchema, shapeSchema } from "../pipeline/mod.ts";
import { ArbiterArena } from "./arena.ts";
import { load } from "./loading.ts";
import { ArbiterRequest } from "./request.ts";
import { Requests } from "./requests.ts";

/** An arena of two stages, and a running request with a prompt of 10 rows. */
function world() {
  let arenas = 0;
  const arena = new ArbiterArena({
    stages: 2,
    capacityRows: 1024,
    now: () => 0,
    nameArena: () => `arena${arenas++}`,
    replyTo: "d/arbiter/a",
    wire: "f32",
  });
  const requests = new Requests();
  const request = new ArbiterRequest({
    generation: "d/generation/g",
    prompt: Int32Array.from({ length: 10 }, (_, i) => i),
    sampling: samplingSchema.parse({}),
    max_rows: 300,
    reuse: true,
  }, { order: 7, shape: shapeSchema.parse({}) });
  requests.add(request);
  requests.admit(1024);
  /** Sends the next `rows` rows of the prompt. */
  const send = (rows: number) => {
    const [job] = request.jobs;
    const pending = job.rows.slice(job.at, job.at + rows);
    const room = arena.room(rows, requests);
    const carried = load(pending, { room: room.rows, running: [request], memory: arena.memory });
    arena.send(carried, room.layout);
  };
  const sent = () => arena.takeEffects().flatMap((e) => e.kind === "frame" ? [e.frame] : []);
  return { arena, request, requests, send, sent };
}

const error = { group: "engine", code: "arena_memory", message: "no memory" };

Deno.test("ArbiterArena.send() numbers frames, and announces a sampler with its first wanted row", () => {
  const { request, send, sent } = world();
  send(6);
  send(4);
  const [first, second] = sent();
  assert.deepEqual([first.seq, first.base, first.want.length], [0, 0, 0]);
  assert.deepEqual([second.seq, second.base, [...second.want]], [1, 6, [3]]);
  assert.deepEqual([first.samplers, second.samplers!.map((s) => s.id)], [undefined, [7]]);
  assert.deepEqual([...second.parents], [5, 6, 7, 8]);
  assert.ok(request.served > 0 && request.tally.frames === 2);
});

Deno.test("ArbiterArena.answered() takes a frame in once, and none of another arena", () => {
  const { arena, send } = world();
  send(10);
  const answer = { arena: "arena0", seq: 0, trace: [], hidden_bytes: 0 };
  assert.equal(arena.answered({ ...answer, arena: "other" }), undefined);
  assert.equal(arena.answered(answer)!.carried.length, 10);
  assert.equal(arena.answered(answer), undefined);
});

Deno.test("ArbiterArena.takeBack() sends the rows of refused frames again, in their order", () => {
  const { arena, send, sent } = world();
  send(6);
  send(4);
  const tokens = sent().flatMap((f) => [...f.tokens]);
  assert.equal(arena.takeBack(0, error), true, "no arena is open at the stages");
  assert.deepEqual([arena.flights.size, arena.memory.pool.end], [0, 0]);
  assert.ok(arena.replays && arena.replay());
  const [again] = sent();
  assert.deepEqual([again.seq, again.base, [...again.tokens]], [2, 0, tokens]);
  assert.equal(again.layout!.capacity, 256, "half of the 512 rows that were refused");
  assert.deepEqual(again.samplers!.map((s) => s.id), [7], "its frame was lost");
  assert.equal(arena.replays, false);
});

Deno.test("ArbiterArena.rebuild() takes another name where a stage is lost and no row has run", () => {
  const { arena, requests, send, sent } = world();
  send(6);
  const [first] = sent();
  const gone = new Set<number>();
  assert.equal(arena.rebuild(requests, { lost: new Set([1]), gone }), undefined);
  const [closed] = arena.takeEffects();
  assert.deepEqual(closed, { kind: "close", arena: "arena0" }, "a late frame opens it nowhere");
  assert.ok(arena.replay());
  const [again] = sent();
  assert.deepEqual([again.arena, again.base, [...again.tokens]], ["arena1", 0, [...first.tokens]]);
  assert.ok(again.layout, "it opens the arena");
  const answer = { seq: again.seq, trace: [], hidden_bytes: 0 };
  assert.equal(arena.answered({ ...answer, arena: "arena0" }), undefined);
  assert.equal(arena.answered({ ...answer, arena: "arena1" })!.carried.length, 6);
  assert.ok(arena.rebuild(requests, { lost: new Set([1]), gone })!.frames.length > 0);
});

Deno.test("ArbiterArena.release() calls no frame back that carries needed rows or announces a sampler", () => {
  const { arena, request, send } = world();
  send(6);
  send(4);
  arena.answered({ arena: "arena0", seq: 0, trace: [], hidden_bytes: 0 });
  arena.takeEffects();
  const row = request.rows[9]!;
  request.rows[9] = undefined;
  arena.release([row]);
  assert.deepEqual(arena.takeEffects(), [], "its other rows are needed");
  arena.release([8, 7, 6].map((n) => request.rows[n]!));
  assert.deepEqual(
    arena.takeEffects(),
    [],
    "the frame announces a sampler: it must reach every stage",
  );
});

Deno.test("ArbiterArena.close() closes the arena at the stages once, and forgets what stood there", () => {
  const { arena, send, sent } = world();
  send(6);
  sent();
  arena.close();
  arena.close();
  assert.deepEqual(arena.takeEffects(), [{ kind: "close", arena: "arena0" }]);
  assert.deepEqual([arena.name, arena.flights.size, arena.memory.pool.end], [undefined, 0, 0]);
});
