/**
 * Arbiter: owns an arena and decides which rows run when. There is one for each deployment and
 * gateway node, and on one stage further ones for many requests.
 *
 *     Generation --rows--> arbiter --frame--> stage 0 --> ... --> stage n-1
 *         ^                |     ^                                    |
 *         '-----tokens-----'     '---------------tokens---------------'
 *
 * Where shards have the LM head, the last stage sends them the wanted rows, and each answers with
 * `partial`.
 *
 * `core.ts` and `policy.ts` decide, without effects; `send_effects.ts` carries their decisions out.
 * The arbiter never waits: a stage that hangs or a client that reads slowly holds up no other request.
 *
 * @module
 */
import { z } from "zod";
import {
  type Address,
  address,
  type CallerRule,
  defineActor,
  type MessageMeta,
  notAllowed,
  parseAddress,
  thisNode,
  type WireError,
  wireErrorSchema,
} from "../system/mod.ts";
import { ArbiterCore } from "./core.ts";
import { FrameSpans } from "./frame_spans.ts";
import type { Windowed } from "./near_rows.ts";
import { closeSchema, dropSchema, maskMessageSchema, openSchema, rowsSchema } from "./messages.ts";
import { LostStages } from "./lost_stages.ts";
import { EffectSender } from "./send_effects.ts";
import { stageReplaced, stagesSilent } from "./request_errors.ts";
import { TimeLimits } from "./time_limits.ts";
import type { FrameReport } from "./reports.ts";
import type { ArbiterStats } from "./stats.ts";
import {
  arenaName,
  partialSchema,
  type Shape,
  stageTraceSchema,
  tokenResultSchema,
} from "../pipeline/mod.ts";

/** Resource `pipeline` of an arbiter: the stages and how they are to be used. */
export interface PipelineRoute {
  /** Addresses of the stages, in order. */
  stages: Address[];
  /**
   * Addresses of the shards of the LM head, in the order of their parts. @default none: the last
   * stage has the head
   */
  heads?: Address[];
  /**
   * For each of these shards, the index of the stage that is on the same device; undefined: none
   * is. @default none is for any shard
   */
  shardStages?: (number | undefined)[];
  /** How requests run, as planned. */
  shape: Shape;
  /** Most rows that the arena may hold: every stage has memory for them. */
  capacity_rows: number;
  /** See `CoreOptions.windowed`. */
  windowed?: Windowed;
  /** See the configuration's `idleMs`. @default that one */
  idle_ms?: number;
}

/** Address of a deployment's arbiter at a gateway node. */
export const arbiterAddress = (deployment: string, key: string): Address =>
  address(deployment, "arbiter", key);

/** Milliseconds in which requests may still come that began before another deployment served. */
const LAST_OPEN_MS = 1_000;
const count = z.number().int().nonnegative();

/**
 * A stage or a shard of the arbiter's deployment. Which of them may answer, the arbiter knows: it
 * has their addresses.
 */
const pipelineOf: CallerRule = {
  who: "the stages and shards of its deployment",
  allows({ from, to }) {
    if (from === "") return false;
    const { deployment, kind } = parseAddress(from);
    return (kind === "stage" || kind === "head") && deployment === parseAddress(to).deployment;
  },
};

/** See the module's text. */
export const arbiterActor = defineActor({
  kind: "arbiter",
  config: z.object({
    /**
     * Milliseconds without a message from the stages, while frames are under way, after which all
     * requests fail.
     */
    silenceMs: z.number().positive().default(120_000),
    /** Milliseconds without a request after which the arbiter frees its arena and ends. */
    idleMs: z.number().positive().default(600_000),
    /**
     * Milliseconds for which requests are held where a stage is lost and may be replaced; then they
     * fail.
     */
    holdMs: z.number().positive().default(20_000),
    /** Milliseconds between two looks whether a lost stage can be reached again. */
    retryMs: z.number().positive().default(1_000),
    /** Milliseconds between signs of life to the stages; fewer than the stages' lease has. */
    touchMs: z.number().positive().default(60_000),
  }),
  messages: {
    /** From a Generation: a request begins. */
    open: openSchema,
    /** From a Generation: rows to run. */
    rows: rowsSchema,
    /** From a Generation: a mask that rows were sent without. */
    mask: maskMessageSchema,
    /** From a Generation: rows that are no longer needed. */
    drop: dropSchema,
    /** From a Generation: the request is over. Answers what it has cost. */
    close: closeSchema,
    /** From the last stage: its answer to a frame. */
    tokens: z.object({
      /** Name of the arena. */
      arena: z.string(),
      /** Number of the frame. */
      seq: count,
      /** One for each wanted row, in the order of the frame's `want`. */
      tokens: z.array(tokenResultSchema),
      /** When each stage had the frame, in order of the stages. */
      trace: z.array(stageTraceSchema),
      /** Bytes of the frame's hidden states over the last link. */
      hidden_bytes: z.number().nonnegative().default(0),
    }),
    /** From a shard of the LM head: what it says of the wanted rows of a frame. */
    partial: partialSchema,
    /**
     * From any stage or shard: it has lost the arena or could not run frame `seq`. With code `arena_memory`:
     * it refused the frame's layout, and the arena is as it was before.
     */
    failed: z.object({
      arena: z.string(),
      seq: count.optional(),
      error: wireErrorSchema,
      /** What frame `seq` led to did not reach the next actor; the sender has lost nothing. */
      undelivered: z.boolean().optional(),
    }),
    /** From a stage: it has run frame `seq` of a rebuild. */
    rebuilt: z.object({ arena: z.string(), seq: count }),
    /**
     * From a stage: its deployment was retired, and the stage ends when its last arena does. Answers
     * whether the arbiter has this arena, and will close it; nodes of earlier versions leave it out.
     */
    retiring: z.object({ arena: z.string() }),
    /**
     * From a gateway node: a stage or shard is gone. All requests fail; with `held` they wait until
     * it is replaced, or `holdMs` have passed.
     */
    lost: z.object({ error: wireErrorSchema, held: z.boolean().default(false) }),
    /**
     * From a gateway node: new requests use another deployment, so nobody replaces stages of this
     * one. Requests that are held fail soon, to go on there; the arbiter ends with its last request.
     */
    superseded: z.object({}),
    /**
     * From a gateway node: these stages and shards, by their indices, are at other nodes now. What
     * they had of the arena is rebuilt, and all goes on.
     */
    replaced: z.object({ stages: z.array(count).max(1024), heads: z.array(count).max(1024) }),
    /** Answers what a request with this prompt (token ids) would find: {@linkcode Outlook}. */
    outlook: z.object({ prompt: z.instanceof(Int32Array) }),
    /** Answers {@linkcode ArbiterStats}. */
    stats: z.object({}),
    /** Answers the times of the last frames, {@linkcode FrameTrace}, oldest first. */
    traces: z.object({}),
  },
  callers: {
    open: thisNode,
    rows: thisNode,
    mask: thisNode,
    drop: thisNode,
    close: thisNode,
    tokens: pipelineOf,
    partial: pipelineOf,
    failed: pipelineOf,
    rebuilt: pipelineOf,
    retiring: pipelineOf,
    lost: thisNode,
    superseded: thisNode,
    replaced: thisNode,
    outlook: thisNode,
    stats: thisNode,
    traces: thisNode,
  },
  activatedBy: ["open"],
  policy: { mailbox: 256 },

  create(ctx, config) {
    const route = ctx.resource<PipelineRoute>("pipeline");
    const { stages, heads = [], shape, capacity_rows, windowed } = route;
    const { key } = parseAddress(ctx.self);
    // Stages remember the names of closed arenas: an arbiter that is activated again needs new
    // names.
    const incarnation = Math.floor(ctx.random() * 2 ** 32).toString(16);
    let arenas = 0;
    const spans = new FrameSpans(ctx);
    const core = new ArbiterCore({
      self: ctx.self,
      stages: stages.length + (heads.length > 0 ? 1 : 0),
      shards: heads.length,
      shardStages: route.shardStages,
      shape,
      capacityRows: capacity_rows,
      windowed,
      now: () => ctx.now(),
      nameArena: () => arenaName(key, incarnation, arenas++),
      onFrame(arena, trace) {
        const { rows, sent, answered } = trace;
        spans.answered(arena, trace);
        const tripMs = answered - sent;
        const costs = core.costs();
        const frame: FrameReport = { type: "frame", rows, tripMs, stages: core.stages, ...costs };
        ctx.report(frame);
      },
    });
    /** The deployment was retired: the arbiter ends with its last request. */
    let retiring = false;
    /** Cancels the timer that sends the next frame; undefined: none is set. */
    let cancelPump: (() => void) | undefined;

    const recovery = new LostStages(ctx, {
      core,
      stages,
      heads,
      holdMs: config.holdMs,
      retryMs: config.retryMs,
      turn: () => turn(),
    });

    const sender = new EffectSender(ctx, {
      core,
      spans,
      stages,
      heads,
      frameMs: config.silenceMs,
      onLost: (error) => recovery.lose(error),
      onClosed: () => turn(),
    });

    /** After every message: sends the frames that may go; ends if retired and without a request. */
    function turn(): void {
      cancelPump?.();
      cancelPump = undefined;
      const underWay = core.inFlight.length > 0;
      const again = core.pump();
      limits.turned({ underWay });
      sender.flush();
      if (again !== undefined) cancelPump = ctx.after(again, turn);
      if (retiring && core.idle) rest();
    }

    /** Closes the arena and ends. */
    function rest(): void {
      core.end(stopped("has no request"));
      sender.flush();
      ctx.stop();
    }

    const stopped = (why: string): WireError => ({
      group: "actor",
      code: "arbiter_stopped",
      message: `${ctx.self} ${why} and stopped; send the request again`,
      actor: ctx.self,
    });

    const { silenceMs, touchMs } = config;
    const limits = new TimeLimits(ctx, {
      core,
      silenceMs,
      idleMs: route.idle_ms ?? config.idleMs,
      touchMs,
      holds: () => recovery.holds,
      onSilence() {
        const error = stagesSilent({
          self: ctx.self,
          silenceMs,
          waiting: `frames ${core.inFlight.slice(0, 16).join(", ")} are under way`,
          facts: { stages },
        });
        core.end(error.toWire());
        turn();
      },
      onIdle: rest,
      touch: (arena) => void sender.toAll({ type: "touch", arena }),
    });

    // After a crash, or when the node closes, no Generation must wait for an end that never comes,
    // and no stage must keep the rows.
    ctx.onStop(async () => {
      spans.close();
      core.end(stopped("did not finish its requests"));
      await sender.flushLast();
    });

    /**
     * Throws `not_allowed` unless the message comes from one of these actors, or from this node's
     * outside.
     */
    function only(
      allowed: readonly (string | undefined)[],
      { from, peer }: MessageMeta,
      what: string,
    ) {
      if ((from === "" && peer === undefined) || allowed.includes(from)) return;
      const who = allowed.join(", ") || "nobody";
      throw notAllowed({ peer: peer ?? "", to: ctx.self, type: what }, who);
    }

    return {
      open(open, { trace }) {
        spans.opened(open.generation, trace);
        core.open(open);
        turn();
      },
      rows(rows) {
        core.rows(rows);
        if (!rows.more) turn();
      },
      mask(mask) {
        core.mask(mask);
        turn();
      },
      drop(drop) {
        core.drop(drop);
        turn();
      },
      close({ generation }) {
        const usage = core.close(generation);
        spans.closed(generation);
        turn();
        return usage;
      },
      tokens(answer, meta) {
        only(stages.slice(-1), meta, "tokens");
        limits.heard();
        core.answered(answer);
        turn();
      },
      partial(partial, meta) {
        only([heads[partial.shard]], meta, "partial");
        limits.heard();
        core.partial(partial);
        turn();
      },
      failed(failed, meta) {
        only([...stages, ...heads], meta, "failed");
        limits.heard();
        if (!core.concerns(failed)) return;
        if (recovery.failed(failed)) return;
        if (recovery.holds) return recovery.giveUp(failed.error);
        core.failed(failed);
        turn();
      },
      rebuilt({ arena, seq }, meta) {
        only(stages, meta, "rebuilt");
        limits.heard();
        if (arena === core.arena) recovery.rebuilt(seq);
      },
      retiring({ arena }, meta) {
        only([...stages, ...heads], meta, "retiring");
        const has = arena === core.arena;
        if (has) retiring = true;
        turn();
        return has;
      },
      lost({ error, held }) {
        if (held) recovery.lose(error);
        else recovery.giveUp(error);
      },
      superseded() {
        retiring = true;
        recovery.supersede();
        ctx.after(LAST_OPEN_MS, turn); // it ends then, if it has no request
      },
      replaced(replaced) {
        recovery.replaced(replaced, stageReplaced(ctx.self).toWire());
      },
      outlook: ({ prompt }) => core.outlook(prompt),
      stats: (): ArbiterStats => ({ ...core.stats(), rebuilds: recovery.rebuilds }),
      traces: () => core.traces(),
    };
  },
});
