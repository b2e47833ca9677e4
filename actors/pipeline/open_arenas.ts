/**
 * The arenas that a stage or a shard of the LM head keeps for arbiters: what both do alike.
 *
 * An arena is freed when its arbiter says so (`close`), or when nothing was heard of it for the
 * lease's length: then its arbiter is gone without a word. The owner of an arena that ends in any
 * other way is told, so that it does not wait for frames that never come.
 *
 * @module
 */
import { z } from "zod";
import {
  type ActorContext,
  hasCode,
  type Message,
  OrreryError,
  toOrreryError,
  unsent,
} from "../system/mod.ts";

/**
 * How many closed arenas are remembered, to ignore their late messages instead of reporting an
 * error.
 */
const TOMBSTONES = 1024;
/**
 * Results that are on their way at most: one that travels and one that waits behind it. With so
 * many the next result is not sent until one has arrived.
 */
const OUTSTANDING = 2;
/** Milliseconds for which an actor tries to tell an arena's owner that the arena failed. */
const REPORT_MS = 2_000;
/** Milliseconds for which it tries to tell an arbiter that it retires or did not load. */
const NOTICE_MS = 10_000;

/** Codes of errors that show that an arena's arbiter is gone. */
const ARBITER_GONE = ["not_active", "no_resource", "peer_lost", "unknown_peer", "unknown_kind"];

/** Milliseconds without a message or a `touch` after which an arena is freed. */
export const leaseMsSchema = z.number().positive().default(300_000);

/** Messages of every actor that keeps arenas. */
export const arenaMessages = {
  /**
   * These frames are not wanted any more: those that have not been run are dropped. An arbiter
   * never cancels a frame with a layout or samplers.
   */
  cancel: z.object({ arena: z.string(), seqs: z.array(z.number().int().nonnegative()) }),
  /** Renews the arena's lease: its arbiter lives, though it has nothing to run. */
  touch: z.object({ arena: z.string() }),
  /** Frees the arena and drops its queued messages. */
  close: z.object({ arena: z.string() }),
  /** Activates the actor, which loads the engine, and answers with the engine's facts. */
  warm: z.object({}),
  /**
   * Another deployment has taken over: ends the actor as soon as no arena is open. The arbiters of
   * open arenas get `retiring`. With `moved`, this actor's address is at another node by now, where
   * the arbiters have what is here: it ends at once, and tells nobody.
   */
  retire: z.object({ moved: z.boolean().default(false) }),
};

/** What is known about every open arena. */
export interface OpenArena {
  /** Address of its arbiter, which gets the results, `failed` and `retiring`. */
  replyTo: string;
  /** When its lease ends, in milliseconds of the actor's clock. */
  until: number;
  /** Numbers of frames that are not wanted any more and have not been run. */
  cancelled: Set<number>;
}

/** Options of {@linkcode OpenArenas}. */
export interface OpenArenasOptions {
  /** See {@linkcode leaseMsSchema}. */
  leaseMs: number;
  /** What the error of a lease that ended says of the arena: "freed it". */
  ended: string;
  /** Frees what the engine has of the arena. @default nothing */
  free?: (arena: string) => Promise<void>;
}

/** See the module's text. */
export class OpenArenas<A extends OpenArena> {
  readonly #ctx: ActorContext;
  readonly #options: OpenArenasOptions;
  readonly #open = new Map<string, A>();
  readonly #closed = new Set<string>();
  /** Open arenas whose arbiters are being told that the actor retires. */
  readonly #telling = new Set<A>();
  #retired = false;

  /** Begins to watch the leases. When the actor stops, the owners of open arenas are told. */
  constructor(ctx: ActorContext, options: OpenArenasOptions) {
    this.#ctx = ctx;
    this.#options = options;
    ctx.onIdle(() => this.#open.size === 0);
    // The actor crashed or its node closes.
    ctx.onStop(async () => {
      const error = new OrreryError({
        group: "actor",
        code: "stage_stopped",
        message: `${ctx.self} stopped, and its arenas are gone; send the request again`,
      });
      await Promise.allSettled(
        [...this.#open].map(([arena, { replyTo }]) => this.report(replyTo, arena, error)),
      );
    });
    this.#watch();
  }

  /** An open arena; undefined: it is not open. */
  get(arena: string): A | undefined {
    return this.#open.get(arena);
  }

  /** Whether the arena was closed a while ago: messages for it are late, and to be ignored. */
  isClosed(arena: string): boolean {
    return this.#closed.has(arena);
  }

  /** Adds an arena, whose owner learns at once if the actor is about to end. */
  open(arena: string, state: A): void {
    this.#open.set(arena, state);
    if (this.#retired) void this.#tellRetiring(arena, state);
  }

  /** Renews the lease of an open arena. */
  renew(state: A): void {
    state.until = this.#ctx.now() + this.#options.leaseMs;
  }

  /** Whether this frame was cancelled; forgets it and the frames before it. */
  takeCancelled({ cancelled }: A, seq: number): boolean {
    for (const old of cancelled) if (old < seq) cancelled.delete(old);
    return cancelled.delete(seq);
  }

  /**
   * Tells an arena's owner that the arena, or its frame `seq`, failed. An owner that cannot be told is
   * most likely gone; the log says why.
   */
  report(to: string, arena: string, error: OrreryError, seq?: number): Promise<void> {
    return this.#tell(to, failedMessage(arena, error, seq));
  }

  #tell(to: string, message: Message): Promise<void> {
    return this.#ctx.tell(to, message, { deadlineMs: REPORT_MS })
      .catch(unsent(this.#ctx, { to, message: message.type }));
  }

  /**
   * Tells an arena's owner that what frame `seq` led to did not reach the next actor. The arena is
   * as it was.
   */
  async undelivered(arena: string, seq: number, caught: unknown): Promise<void> {
    const to = this.#open.get(arena)?.replyTo;
    if (to === undefined) return;
    const failed = failedMessage(arena, toOrreryError(caught, this.#ctx.self), seq);
    await this.#tell(to, { ...failed, undelivered: true });
  }

  /** See `cancel` of {@linkcode arenaMessages}. */
  cancel(arena: string, seqs: number[]): void {
    for (const seq of seqs) this.#open.get(arena)?.cancelled.add(seq);
  }

  /** See `touch` of {@linkcode arenaMessages}. */
  touch(arena: string): void {
    const state = this.#open.get(arena);
    if (!state) return;
    this.renew(state);
    // What was told before may have been lost.
    if (this.#retired) void this.#tellRetiring(arena, state);
  }

  /** What is here of an arena is out of date: frees it. It may be opened again. */
  async drop(arena: string): Promise<void> {
    this.#open.delete(arena);
    await this.#options.free?.(arena);
  }

  /** See `close` of {@linkcode arenaMessages}. */
  async close(arena: string): Promise<void> {
    this.#open.delete(arena);
    this.#closed.add(arena);
    if (this.#closed.size > TOMBSTONES) this.#closed.delete(this.#closed.values().next().value!);
    await this.#options.free?.(arena);
    if (this.#retired && this.#open.size === 0) this.#ctx.stop();
  }

  /** See `retire` of {@linkcode arenaMessages}. */
  retire({ moved }: { moved: boolean }): void {
    this.#retired = true;
    if (moved) this.#open.clear();
    if (this.#open.size === 0) return this.#ctx.stop();
    // A warm prefix cache must not keep an actor that nobody needs: told so, the arbiter closes its
    // arena as soon as it can.
    for (const [arena, state] of this.#open) void this.#tellRetiring(arena, state);
  }

  /**
   * Asks an arena's arbiter to close it, until the arbiter has taken that in or the lease ends.
   *
   * Nobody else would close the arena. So it is freed here where the arbiter has ended, or says that
   * it has no such arena: another node has stood in for this one, the arbiter had its arena rebuilt
   * there and has closed it there, and this node has not heard of it.
   */
  async #tellRetiring(arena: string, state: A): Promise<void> {
    const { replyTo } = state;
    if (this.#telling.has(state)) return;
    this.#telling.add(state);
    const isOpen = () => this.#open.get(arena) === state && !this.#ctx.signal.aborted;
    let has: unknown;
    while (isOpen() && has === undefined) {
      const asked = { type: "retiring", arena };
      has = await this.#ctx.ask(replyTo, asked, { deadlineMs: NOTICE_MS }).then(
        (answer) => answer !== false,
        (error) => {
          if (ARBITER_GONE.some((code) => hasCode(error, code))) return false;
          return hasCode(error, "deadline_exceeded") ? undefined : true; // its lease ends it
        },
      );
    }
    this.#telling.delete(state);
    if (has === false) this.#ctx.after(0, () => isOpen() ? this.close(arena) : undefined);
  }

  #watch(): void {
    this.#ctx.after(this.#options.leaseMs / 4, () => this.#expire());
  }

  async #expire(): Promise<void> {
    this.#watch();
    const { leaseMs, ended } = this.#options;
    const { self } = this.#ctx;
    const now = this.#ctx.now();
    for (const [arena, { until, replyTo }] of [...this.#open]) {
      if (until >= now) continue;
      const error = new OrreryError({
        group: "engine",
        code: "no_arena",
        message: `${self} heard nothing of arena ${arena} for ${leaseMs} ms and ${ended}`,
        metadata: { arena, lease_ms: leaseMs },
      });
      // most likely the owner is gone, which is why the lease ended
      void this.report(replyTo, arena, error);
      await this.close(arena);
    }
  }
}

const failedMessage = (arena: string, error: OrreryError, seq?: number): Message => ({
  type: "failed",
  arena,
  error: error.toWire(),
  ...(seq !== undefined && { seq }),
});

/**
 * Throws a plain Error, which is a crash, where an engine is dead: then the supervisor restarts the
 * actor with a new one. `error` is `caught` as it was reported.
 */
export function crashIfDead(caught: unknown, error: OrreryError): void {
  if (!(caught instanceof OrreryError) || error.code === "engine_failed") {
    throw new Error(error.message, { cause: error });
  }
}

/**
 * Sends an actor's results while it computes the next; at most {@linkcode OUTSTANDING} are on their
 * way at once. The actor system keeps their order for each receiver.
 */
export class ResultOutbox {
  readonly #ctx: ActorContext;
  readonly #deadlineMs: number;
  readonly #sending = new Set<Promise<void>>();

  /** @param deadlineMs Milliseconds after which a result that could not be delivered is given up. */
  constructor(ctx: ActorContext, deadlineMs: number) {
    this.#ctx = ctx;
    this.#deadlineMs = deadlineMs;
  }

  /**
   * Waits until fewer than {@linkcode OUTSTANDING} results are on their way, then sends one, which
   * is a message or several at once, without waiting for its arrival. Calls `failed` if it did not
   * arrive.
   */
  async send(
    messages: [to: string, message: Message][],
    failed: (error: unknown) => void,
  ): Promise<void> {
    while (this.#sending.size >= OUTSTANDING) await Promise.race(this.#sending);
    const deadline = { deadlineMs: this.#deadlineMs };
    const sending: Promise<void> = Promise.all(
      messages.map(([to, message]) => this.#ctx.tell(to, message, deadline)),
    ).then(() => {}, failed).finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }
}

/**
 * Messages of an actor whose engine could not be loaded: it ends, and the next message activates it
 * anew. `refuse` also tells the owner of an arena that is to be opened why.
 */
export function unloadedArenas(ctx: ActorContext, error: unknown) {
  const end = (): never => {
    ctx.stop();
    throw error;
  };
  return {
    async refuse(owner: string | undefined, arena: string, seq: number): Promise<never> {
      if (owner !== undefined) {
        const failed = failedMessage(arena, toOrreryError(error, ctx.self), seq);
        // a failure means that the arena's owner is gone
        await ctx.tell(owner, failed, { deadlineMs: NOTICE_MS }).catch(() => {});
      }
      return end();
    },
    handlers: {
      warm: end,
      cancel: () => {},
      touch: () => {},
      close: () => ctx.stop(),
      retire: () => ctx.stop(),
    },
  };
}
