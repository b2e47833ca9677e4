/**
 * The spans of an arbiter's frames: for each request whose trace is recorded, one of every frame that
 * carries its rows. The stages' spans are parts of them; a frame tells the stages which they are.
 *
 * @module
 */
import { type ActorContext, MOST_SPANS, type OpenSpan, type TraceContext } from "../system/mod.ts";
import type { FrameTrace } from "./usage.ts";

/** Frames whose spans are open at most: those of frames that never come back are ended. */
const MOST_FRAMES = 256;

/** See the module's text. It costs nothing while no request is traced. */
export class FrameSpans {
  readonly #ctx: Pick<ActorContext, "span" | "now">;
  /** The traces of requests, by the address of their generation. */
  readonly #requests = new Map<string, TraceContext>();
  /** Open spans by frame, in the order of sending. */
  readonly #frames = new Map<string, OpenSpan[]>();

  constructor(ctx: Pick<ActorContext, "span" | "now">) {
    this.#ctx = ctx;
  }

  /** A request begins; `trace`: that of its generation, undefined: it is not traced. */
  opened(generation: string, trace: TraceContext | undefined): void {
    if (trace) this.#requests.set(generation, trace);
  }

  /** A request is over. */
  closed(generation: string): void {
    this.#requests.delete(generation);
  }

  /**
   * A frame is sent, with rows of the generations that `carried` names. Returns the spans' contexts,
   * as the frame carries them; undefined: none of its requests is traced.
   */
  sent(
    { arena, seq, rows }: { arena: string; seq: number; rows: number },
    carried: () => readonly string[],
  ): string[] | undefined {
    if (this.#requests.size === 0) return undefined;
    const attributes = { "orrery.arena": arena, "orrery.frame": seq, "orrery.rows": rows };
    const spans = carried().flatMap((generation) => {
      const parent = this.#requests.get(generation);
      return parent && this.#ctx.span("frame", { parent, attributes }) || [];
    }).slice(0, MOST_SPANS);
    if (spans.length === 0) return undefined;
    this.#frames.set(keyOf(arena, seq), spans);
    if (this.#frames.size > MOST_FRAMES) this.#end(this.#frames.keys().next().value!, "lost");
    return spans.map(({ context }) => context.traceparent);
  }

  /** A frame has come back. */
  answered(arena: string, { seq, rows, requests }: FrameTrace): void {
    const key = keyOf(arena, seq);
    const spans = this.#frames.get(key);
    if (!spans) return;
    this.#frames.delete(key);
    const attributes = {
      "orrery.rows.prefill": rows.prefill,
      "orrery.rows.decode": rows.decode,
      "orrery.rows.draft": rows.draft,
      "orrery.requests": requests.length,
    };
    for (const span of spans) span.end({ at: this.#ctx.now(), attributes });
  }

  /** Frames were called back. */
  cancelled(arena: string, seqs: readonly number[]): void {
    for (const seq of seqs) this.#end(keyOf(arena, seq), "cancelled");
  }

  /** No frame comes back any more. */
  close(): void {
    for (const key of [...this.#frames.keys()]) this.#end(key, "lost");
    this.#requests.clear();
  }

  #end(key: string, error: string): void {
    for (const span of this.#frames.get(key) ?? []) span.end({ at: this.#ctx.now(), error });
    this.#frames.delete(key);
  }
}

const keyOf = (arena: string, seq: number): string => `${arena} ${seq}`;
