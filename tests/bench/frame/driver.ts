/**
 * The arbiter's side of `deno task bench:frame`.
 *
 * @module
 */
import { type Frame, type Sampling, samplingSchema } from "../../../actors/pipeline/mod.ts";
import { type ActorSystem, address, type Inbox } from "../../../actors/system/mod.ts";

/** First part of the addresses in the benchmark. */
const DEPLOYMENT = "bench";
/** Rows in the arena before those of the measured frames. */
const PAST_ROWS = 256;
/** Milliseconds after which a frame without an answer ends the benchmark. */
const LIMIT_MS = 30_000;

/** Sends frames as an arbiter does and waits for their tokens. */
export class Driver {
  readonly #system: ActorSystem;
  readonly #arena = `a${crypto.randomUUID()}`;
  readonly #gapMs: number;
  readonly #mostRows: number;
  readonly #inbox: Inbox;
  #seq = 0;

  /** @param options `gapMs`: pause before each frame, ms; `mostRows`: rows of the largest frame. */
  constructor(system: ActorSystem, options: { gapMs: number; mostRows: number }) {
    this.#system = system;
    this.#gapMs = options.gapMs;
    this.#mostRows = options.mostRows;
    this.#inbox = system.inbox(address(DEPLOYMENT, "arbiter", "driver"));
  }

  /** Opens the arena and fills it with the rows of a prompt. */
  async open(): Promise<void> {
    const sampling: Sampling = samplingSchema.parse({});
    await this.#frame(0, PAST_ROWS, {
      layout: {
        capacity: PAST_ROWS + this.#mostRows,
        keep: new Int32Array(0),
        reply_to: this.#inbox.address,
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
    await this.#system.tell(address(DEPLOYMENT, "stage", "0"), { type: "frame", ...frame });
    const answer = await this.#inbox.next(AbortSignal.timeout(LIMIT_MS));
    if (answer?.type !== "tokens") {
      throw new Error(`a stage answered ${answer?.type}: ${JSON.stringify(answer?.body)}`);
    }
  }
}
