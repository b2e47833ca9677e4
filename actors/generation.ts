/**
 * Generation: owns one request. It alone decides: which rows run in which slots, when it is over, what the client sees.
 *
 * The prompt goes out in pieces, a bounded number of them in flight, so that a pipeline works on several at once; then each
 * token that comes straight back from the last stage becomes the next frame. The client is an address too: when it reads
 * slowly, the `tell` of a delta waits, and so does the generation.
 *
 * @module
 */
import { z } from "zod";
import { type ActorContext, defineActor } from "./define.ts";
import { OrreryError, toOrreryError, type WireError } from "./errors.ts";
import { samplingSchema, type TokenResult, tokenResultSchema } from "./frame.ts";

/** Turns token ids into text as they come. The runtime gives one for each request (resource `codec`). */
export interface TextCodec {
  /** Text that became certain with this token; `stopped` when a stop string is complete (its text is left out). */
  push(token: number): { text: string; stopped: boolean };
  /** What was held back. */
  flush(): string;
  /** A token's own text, for log-probability listings. */
  tokenText(token: number): string;
}

/** Resource `codec` of a generation actor. */
export type MakeCodec = (stop: string[]) => TextCodec;

const wireError: z.ZodType<WireError> = z.object({
  group: z.string(),
  code: z.string(),
  message: z.string(),
  metadata: z.record(z.string(), z.unknown()).optional(),
  actor: z.string().optional(),
});

/** What starts a generation. */
export const startSchema = z.object({
  /** Prompt token ids, at least one. */
  prompt: z.instanceof(Int32Array).refine((p) => p.length > 0, "the prompt has no tokens"),
  max_tokens: z.number().int().positive(),
  sampling: samplingSchema,
  stop: z.array(z.string().min(1)).max(16),
  /** Tokens that end the generation. */
  eos: z.array(z.number().int().nonnegative()),
  /** Stage addresses in order. */
  stages: z.array(z.string()).min(1),
  /** Rows of a prefill piece. */
  piece_rows: z.number().int().positive(),
  /** Address that gets `delta`, `done` and `failed`. */
  client: z.string(),
});

/** See {@linkcode startSchema}. */
export type Start = z.infer<typeof startSchema>;

/** See the module's text. */
export const generationActor = defineActor({
  kind: "generation",
  config: z.object({
    /** Milliseconds without a word from the stages after which the request has failed. */
    silenceMs: z.number().positive().default(120_000),
  }),
  messages: {
    start: startSchema,
    tokens: z.object({
      request: z.string(),
      seq: z.number().int().nonnegative(),
      tokens: z.array(tokenResultSchema),
      compute_ms: z.number(),
    }),
    failed: z.object({ request: z.string().optional(), error: wireError }),
    /** The client no longer wants it. */
    cancel: z.object({}),
  },
  urgent: ["cancel"],
  activatedBy: ["start"],
  needs: { links: ["stage"] },
  policy: { restarts: { max: 0, withinMs: 1 } },

  create(ctx, config) {
    let run: Run | undefined;
    let cancelled = false;

    async function end(closing: () => Promise<void>): Promise<void> {
      const { stages, request } = run!;
      run = undefined;
      // The arenas first: a client that reads slowly must not hold them.
      await Promise.allSettled(
        stages.map((s) => ctx.tell(s, { type: "close", request }, { deadlineMs: 10_000 })),
      );
      try {
        await closing();
      } finally {
        ctx.stop();
      }
    }

    async function fail(error: WireError): Promise<void> {
      const { client } = run!;
      await end(() => ctx.tell(client, { type: "failed", error })).catch(() => {}); // client gone
    }

    async function pump(): Promise<void> {
      try {
        await run!.pump();
      } catch (error) {
        if (run) await fail(toOrreryError(error, ctx.self).toWire());
      }
    }

    // A crash, or the node closes: the client must not wait for an end that never comes.
    ctx.onStop(() =>
      run && fail({
        group: "actor",
        code: "generation_stopped",
        message: `${ctx.self} stopped before its request was over; send the request again`,
      })
    );

    return {
      async start(start) {
        if (run) {
          throw new OrreryError({
            group: "actor",
            code: "already_started",
            message: `${ctx.self} has its request already`,
          });
        }
        if (cancelled) return ctx.stop();
        try {
          run = new Run(ctx, start, config.silenceMs, fail);
        } catch (error) {
          ctx.stop();
          const failed = { type: "failed", error: toOrreryError(error, ctx.self).toWire() };
          await ctx.tell(start.client, failed).catch(() => {}); // client gone
          throw error;
        }
        await pump();
      },

      async tokens({ seq, tokens }) {
        if (!run) return; // over; this frame was under way
        run.landed(seq);
        const token = tokens[0];
        const verdict = token && run.take(token);
        if (!verdict) return await pump();
        if (!verdict.finish) await pump(); // the pipeline first, the client after
        const current = run;
        const { text, finish, eos } = verdict;
        try {
          if (text !== "" || !eos) {
            await ctx.tell(current.client, {
              type: "delta",
              text,
              tokens: eos ? [] : [current.spell(token)],
            });
          }
        } catch {
          return run && await end(async () => {}); // the client is gone
        }
        current.alive();
        if (finish) await end(() => ctx.tell(current.client, { type: "done", finish, ...current.summary() }));
      },

      async failed({ error }) {
        if (run) await fail(error);
      },

      async cancel() {
        if (run) return await end(async () => {});
        cancelled = true; // its start may be queued behind: stopping now would let that begin anew
        ctx.after(0, () => ctx.stop());
      },
    };
  },
});

/** The state of one request: a chain of rows, slot = position. */
class Run {
  readonly request: string;
  readonly client: string;
  readonly stages: string[];
  readonly #ctx: ActorContext;
  readonly #start: Start;
  readonly #codec: TextCodec;
  readonly #silenceMs: number;
  readonly #onSilence: (error: WireError) => unknown;
  readonly #began: number;
  readonly #inFlight = new Set<number>();
  readonly #generated: number[] = [];
  #seq = 0;
  /** Rows handed to the pipeline. */
  #sent = 0;
  #firstAt?: number;
  #lastAt = 0;
  #aliveAt: number;

  constructor(ctx: ActorContext, start: Start, silenceMs: number, onSilence: (error: WireError) => unknown) {
    this.#ctx = ctx;
    this.#start = start;
    this.#silenceMs = silenceMs;
    this.#onSilence = onSilence;
    this.request = ctx.self.split("/")[2];
    this.client = start.client;
    this.stages = start.stages;
    this.#codec = ctx.resource<MakeCodec>("codec")(start.stop);
    this.#began = this.#aliveAt = ctx.now();
    this.#watchSilence();
  }

  /** Sends what may be sent now: prompt pieces within the window, or the row of the newest token. */
  async pump(): Promise<void> {
    const { prompt, piece_rows } = this.#start;
    const window = this.stages.length + 1; // one a stage, one on the way
    while (this.#sent < prompt.length && this.#inFlight.size < window) {
      await this.#send(prompt.subarray(this.#sent, this.#sent + piece_rows));
    }
    if (this.#sent >= prompt.length && this.#inFlight.size === 0 && this.#generated.length) {
      await this.#send(Int32Array.of(this.#generated.at(-1)!));
    }
  }

  /** A frame's answer is here. */
  landed(seq: number): void {
    this.#inFlight.delete(seq);
    this.alive();
  }

  /** Takes the next token; says what the client sees of it and whether it is the last. */
  take(result: TokenResult): { text: string; finish?: "stop" | "length"; eos?: true } {
    this.#lastAt = this.#ctx.now();
    this.#firstAt ??= this.#lastAt;
    this.#generated.push(result.token);
    if (this.#start.eos.includes(result.token)) {
      return { text: this.#codec.flush(), finish: "stop", eos: true };
    }
    const { text, stopped } = this.#codec.push(result.token);
    if (stopped) return { text, finish: "stop" };
    if (this.#generated.length >= this.#start.max_tokens) {
      return { text: text + this.#codec.flush(), finish: "length" };
    }
    return { text };
  }

  /** The token as the client gets it: with its text, and the texts of its alternatives. */
  spell(token: TokenResult): TokenResult & { text: string; topText?: string[] } {
    const text = this.#codec.tokenText(token.token);
    if (!token.top) return { ...token, text };
    return { ...token, text, topText: token.top.map(([id]) => this.#codec.tokenText(id)) };
  }

  summary(): Record<string, number> {
    const tokens = this.#generated.length;
    return {
      prompt_tokens: this.#start.prompt.length,
      completion_tokens: tokens,
      ttft_ms: this.#firstAt! - this.#began,
      tpot_ms: tokens > 1 ? (this.#lastAt - this.#firstAt!) / (tokens - 1) : 0,
    };
  }

  async #send(tokens: Int32Array): Promise<void> {
    const { prompt, sampling, max_tokens } = this.#start;
    const base = this.#sent;
    const seq = this.#seq++;
    const wanted = base + tokens.length >= prompt.length;
    this.#sent += tokens.length;
    if (this.#inFlight.size === 0) this.alive(); // the clock runs while something is under way
    this.#inFlight.add(seq);
    await this.#ctx.tell(this.stages[0], {
      type: "frame",
      request: this.request,
      seq,
      ...(seq === 0 && {
        open: {
          capacity: prompt.length + max_tokens,
          sampling,
          prompt_rows: prompt.length,
          reply_to: this.#ctx.self,
        },
      }),
      base,
      tokens: tokens.slice(),
      positions: Int32Array.from(tokens, (_, i) => base + i),
      parents: Int32Array.from(tokens, (_, i) => base + i - 1),
      want: wanted ? Int32Array.of(tokens.length - 1) : new Int32Array(0),
    }, { deadlineMs: this.#silenceMs });
  }

  /** The stages (or the client, on whom the generation waited) have just shown that they live. */
  alive(): void {
    this.#aliveAt = this.#ctx.now();
  }

  #watchSilence(): void {
    const silent = this.#ctx.now() - this.#aliveAt;
    if (this.#inFlight.size > 0 && silent >= this.#silenceMs) {
      return void this.#onSilence({
        group: "actor",
        code: "stages_silent",
        message: `no stage answered for ${this.#silenceMs} ms (frames ${
          [...this.#inFlight].join(", ")
        } are under way)`,
        metadata: { stages: this.stages, silence_ms: this.#silenceMs },
        actor: this.#ctx.self,
      });
    }
    this.#ctx.after(Math.max(1, this.#silenceMs - silent), () => this.#watchSilence());
  }
}
