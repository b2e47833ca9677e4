/**
 * Requests with prompts that arrive at an arbiter, in the queueing model of `arbiter_queue.ts`: when
 * their first and last tokens come.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ArbiterCore } from "../../actors/arbiter/core.ts";
import { rowsSchema } from "../../actors/arbiter/messages.ts";
import { type Frame, samplingSchema, shapeSchema, type StageTrace } from "../../actors/mod.ts";
import { Events, pipeline, type QueueWorld, thread } from "./arbiter_queue.ts";

/** What arrives where. */
export interface ArrivalsWorld extends Pick<QueueWorld, "table" | "stages" | "linkMs" | "laneMs"> {
  /** When each request arrives, milliseconds. */
  arrivals: readonly number[];
  /** Tokens of each prompt. */
  prompt: number;
  /** Tokens of each answer. */
  tokens: number;
  /** Milliseconds for a token of every lane beyond which no further request begins. */
  latencyMs?: number;
}

/** When a request's tokens came, milliseconds. */
export interface Arrived {
  arrived: number;
  first: number;
  last: number;
}

/** Runs all requests to their ends. */
export function runArrivals(world: ArrivalsWorld): Arrived[] {
  const { stages, laneMs, arrivals, prompt, tokens, latencyMs } = world;
  const events = new Events();
  const send = pipeline(events, world);
  const gateway = thread(events);
  let arenas = 0;
  const core = new ArbiterCore({
    self: "d/arbiter/a",
    stages,
    shape: shapeSchema.parse({
      ...(latencyMs !== undefined && { admission: { latency_ms: latencyMs } }),
    }),
    capacityRows: 1 << 20,
    now: () => events.now,
    nameArena: () => `arena${arenas++}`,
  });
  const requests = new Map<string, Arrived & { tokens: number }>();
  let ended = 0;
  let timer = 0;

  const answered = (frame: Frame, trace: StageTrace[]) => {
    core.answered({
      arena: frame.arena,
      seq: frame.seq,
      tokens: Array.from(frame.want, (i) => ({ slot: frame.base + i, token: 1 })),
      trace,
      hidden_bytes: 0,
    });
    turn();
  };

  /** The request has its next token, after `row`. */
  const proceed = (generation: string, row: number) => {
    const request = requests.get(generation)!;
    if (request.tokens++ === 0) request.first = events.now;
    request.last = events.now;
    if (request.tokens === tokens) {
      ended++;
      core.close(generation);
    } else {
      core.rows(rowsSchema.parse({
        generation,
        first: row + 1,
        tokens: Int32Array.of(1),
        positions: Int32Array.of(row + 1),
        parents: Int32Array.of(row),
        want: Int32Array.of(0),
        kind: "decode",
      }));
    }
    turn();
  };

  function turn(): void {
    const mine = ++timer;
    const again = core.pump();
    for (const effect of core.takeEffects()) {
      if (effect.kind === "frame") {
        const { frame } = effect;
        send(frame.tokens.length, (trace) => answered(frame, trace));
      } else if (effect.kind === "results") {
        const [{ row }] = effect.results.results;
        gateway(laneMs, () => proceed(effect.to, row));
      } else assert.fail(effect.kind);
    }
    if (again !== undefined) events.at(events.now + again, () => mine === timer && turn());
  }

  for (const [i, arrived] of arrivals.entries()) {
    const generation = `d/generation/${i}`;
    events.at(arrived, () => {
      requests.set(generation, { arrived, first: NaN, last: NaN, tokens: 0 });
      core.open({
        generation,
        prompt: Int32Array.from({ length: prompt }, (_, n) => 1000 * i + n),
        sampling: samplingSchema.parse({}),
        max_rows: prompt + tokens,
        reuse: false,
      });
      turn();
    });
  }
  events.run(() => ended === arrivals.length);
  return [...requests.values()];
}
