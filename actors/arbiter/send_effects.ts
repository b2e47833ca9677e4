/**
 * Sends what the arbiter's core has decided to the stages, the shards of the LM head and the
 * Generations.
 *
 * @module
 */
import {
  type ActorContext,
  type Address,
  type Message,
  reportingTell,
  toOrreryError,
  type WireError,
} from "../system/mod.ts";
import type { Frame } from "../pipeline/mod.ts";
import type { ArbiterCore } from "./core.ts";
import type { Effect } from "./effects.ts";
import type { FrameSpans } from "./frame_spans.ts";

/** Milliseconds in which a message that is no frame must reach a stage's mailbox. */
const STAGE_MS = 10_000;
/** Milliseconds in which an arbiter that stops tells a Generation that its request has failed. */
const STOP_MS = 2_000;

/** Options of {@linkcode EffectSender}. */
export interface EffectSenderOptions {
  core: ArbiterCore;
  /** Spans of the frames that are sent. */
  spans: FrameSpans;
  /** Addresses of the stages, in order. */
  stages: readonly Address[];
  /** Addresses of the shards of the LM head. */
  heads: readonly Address[];
  /** Milliseconds in which a frame must reach the first stage's mailbox. */
  frameMs: number;
  /** An actor of the pipeline could not be told what it has to do. */
  onLost(error: WireError): void;
  /** A Generation is gone, and its request was closed: frames may go. */
  onClosed(): void;
}

/** See the module's text. */
export class EffectSender {
  readonly #ctx: ActorContext;
  readonly #options: EffectSenderOptions;
  readonly #tell: ActorContext["tell"];

  constructor(ctx: ActorContext, options: EffectSenderOptions) {
    this.#ctx = ctx;
    this.#options = options;
    this.#tell = reportingTell(ctx);
  }

  /**
   * Carries out what the core decided. Nothing is awaited: messages to one receiver arrive in the
   * order in which they are sent.
   */
  flush(): void {
    for (const effect of this.#options.core.takeEffects()) this.#carryOut(effect);
  }

  /**
   * Carries out the last effects of an arbiter that stops, as far as somebody would wait for them in
   * vain otherwise. Resolves when they have arrived, or cannot.
   */
  async flushLast(): Promise<void> {
    await Promise.allSettled(
      this.#options.core.takeEffects().map((effect) =>
        effect.kind === "close"
          ? this.toAll({ type: "close", arena: effect.arena })
          : effect.kind === "failed"
          ? this.#tell(effect.to, { type: "failed", error: effect.error }, { deadlineMs: STOP_MS })
          : undefined
      ),
    );
  }

  /** Tells every stage and shard; one that cannot be told is as good as gone. */
  async toAll(message: Message): Promise<void> {
    const { stages, heads } = this.#options;
    await Promise.allSettled([...stages, ...heads].map((to) => this.#toStage(to, message)));
  }

  #carryOut(effect: Effect): void {
    const { spans, stages } = this.#options;
    switch (effect.kind) {
      case "frame":
        return this.#frame(effect.frame);
      case "late": {
        const { late } = effect;
        const sent = this.#toStage(stages.at(-1)!, { type: "late", ...late });
        return void sent.catch((error) => this.#lost(late, error));
      }
      case "more":
        return this.#more(effect);
      case "cancel":
        spans.cancelled(effect.arena, effect.seqs);
        return void this.toAll({ type: "cancel", arena: effect.arena, seqs: effect.seqs });
      case "close":
        return void this.toAll({ type: "close", arena: effect.arena });
      case "results":
        return this.#results(effect);
      case "failed": {
        spans.closed(effect.to);
        const failed = { type: "failed", error: effect.error };
        return void this.#tell(effect.to, failed, { signal: this.#ctx.signal })
          .catch(() => {}); // the Generation is gone
      }
    }
  }

  #frame(frame: Frame): void {
    const { core, spans, stages, frameMs } = this.#options;
    const traced = spans.sent(
      { ...frame, rows: frame.tokens.length },
      () => core.carried(frame.seq),
    );
    const message = { type: "frame", ...frame, ...(traced && { spans: traced }) };
    void this.#tell(stages[0], message, { deadlineMs: frameMs })
      .catch((error) => this.#lost(frame, error));
  }

  #more({ arena, seq, asked }: Extract<Effect, { kind: "more" }>): void {
    const { heads } = this.#options;
    const sent = asked.map(({ shard, rows, limit }) =>
      this.#toStage(heads[shard], { type: "more", arena, seq, rows, limit })
    );
    void Promise.all(sent).catch((error) => this.#lost({ arena, seq }, error));
  }

  /**
   * There is no deadline, since the client may read slowly. The Generation asks for no rows
   * meanwhile, so that no more than these results wait.
   */
  #results({ to, results }: Extract<Effect, { kind: "results" }>): void {
    const { core, onClosed } = this.#options;
    const { signal } = this.#ctx;
    void this.#tell(to, { type: "tokens", ...results }, { signal }).catch(() => {
      if (signal.aborted) return;
      core.close(to); // the Generation is gone
      onClosed();
    });
  }

  #toStage(to: string, message: Message): Promise<void> {
    return this.#tell(to, message, { deadlineMs: STAGE_MS });
  }

  /**
   * An actor of the pipeline could not be told what it has to do in a frame: its node is lost, or its
   * mailbox was full for too long.
   */
  #lost(frame: { arena: string; seq: number }, error: unknown): void {
    const { core, onLost } = this.#options;
    if (this.#ctx.signal.aborted || !core.concerns(frame)) return;
    onLost(toOrreryError(error, this.#ctx.self).toWire());
  }
}
