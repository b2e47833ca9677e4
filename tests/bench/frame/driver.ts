/**
 * The arbiter's side of `deno task bench:frame`.
 *
 * @module
 */
import { z } from "zod";
import {
  arenaName,
  type Frame,
  type Sampling,
  samplingSchema,
} from "../../../actors/pipeline/mod.ts";
import { type ActorSystem, address, anyNode, defineActor } from "../../../actors/system/mod.ts";

/** First part of the addresses in the benchmark. */
const DEPLOYMENT = "bench";
/** Rows in the arena before those of the measured frames. */
const PAST_ROWS = 256;
/** Milliseconds after which a frame without an answer ends the benchmark. */
const LIMIT_MS = 30_000;

/** Key of the arbiter: the arena's name begins with it, since only its owner may run frames there. */
const KEY = "driver";
const ARBITER = address(DEPLOYMENT, "arbiter", KEY);

/** What the first stage's arbiter is in a cluster: it sends frames, and hears of their tokens. */
const arbiter = defineActor({
  kind: "arbiter",
  config: z.object({}),
  messages: { send: z.unknown(), tokens: z.unknown(), failed: z.unknown() },
  callers: { tokens: anyNode, failed: anyNode },
  create(ctx) {
    const answered = ctx.resource<(type: string, body: unknown) => void>("answered");
    return {
      send: (frame) =>
        ctx.tell(address(DEPLOYMENT, "stage", "0"), { type: "frame", ...frame as Frame }),
      tokens: (body) => answered("tokens", body),
      failed: (body) => answered("failed", body),
    };
  },
});

/** Sends frames as an arbiter does and waits for their tokens. */
export class Driver {
  readonly #system: ActorSystem;
  readonly #arena = arenaName(KEY, crypto.randomUUID(), 0);
  readonly #gapMs: number;
  readonly #mostRows: number;
  /** Ends the wait for the answer to the frame under way. */
  #answered: (answer: { type: string; body: unknown }) => void = () => {};
  #seq = 0;

  /** @param options `gapMs`: pause before each frame, ms; `mostRows`: rows of the largest frame. */
  constructor(system: ActorSystem, options: { gapMs: number; mostRows: number }) {
    this.#system = system;
    this.#gapMs = options.gapMs;
    this.#mostRows = options.mostRows;
    const answered = (type: string, body: unknown) => this.#answered({ type, body });
    system.register(arbiter, { config: {}, resources: () => ({ answered }) });
  }

  /** Opens the arena and fills it with the rows of a prompt. */
  async open(): Promise<void> {
    const sampling: Sampling = samplingSchema.parse({});
    await this.#frame(0, PAST_ROWS, {
      layout: {
        capacity: PAST_ROWS + this.#mostRows,
        keep: new Int32Array(0),
        reply_to: ARBITER,
        wire: "f16",
      },
      samplers: [{ id: 0, sampling, prompt_rows: PAST_ROWS }],
    });
  }

  /** Runs frames of so many rows, one after the other; returns the time without the pauses, ms. */
  async run(rows: number, count: number): Promise<number> {
    let waited = 0;
    for (let i = 0; i < count; i++) {
      if (this.#gapMs > 0) await new Promise((resolve) => setTimeout(resolve, this.#gapMs));
      const began = performance.now();
      await this.#frame(PAST_ROWS, rows, {});
      waited += performance.now() - began;
    }
    return waited;
  }

  async #frame(base: number, rows: number, more: Partial<Frame>): Promise<void> {
    const index = (f: (i: number) => number) => Int32Array.from({ length: rows }, (_, i) => f(i));
    const frame: Frame = {
      arena: this.#arena,
      seq: this.#seq++,
      base,
      tokens: index((i) => 5 + i),
      positions: index((i) => base + i),
      parents: index((i) => base + i - 1),
      want: base === 0 ? Int32Array.of(rows - 1) : index((i) => i),
      want_samplers: new Int32Array(base === 0 ? 1 : rows),
      ...more,
    };
    const { promise, resolve, reject } = Promise.withResolvers<{ type: string; body: unknown }>();
    this.#answered = resolve;
    const late = setTimeout(() => reject(new Error(`no answer within ${LIMIT_MS} ms`)), LIMIT_MS);
    await this.#system.tell(ARBITER, { type: "send", ...frame });
    const { type, body } = await promise.finally(() => clearTimeout(late));
    if (type !== "tokens") throw new Error(`a stage answered ${type}: ${JSON.stringify(body)}`);
  }
}
