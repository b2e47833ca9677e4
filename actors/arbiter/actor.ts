/**
 * Arbiter: owns an arena and decides which rows run when. One for each deployment and gateway node.
 *
 *     Generation --rows--> arbiter --frame--> stage 0 --> ... --> stage n-1 --tokens--> arbiter --tokens--> Generation
 *
 * The decisions are in `arbiter/core.ts` (pure) and `arbiter/policy.ts`; this carries them out. It
 * never waits for anybody: a stage that hangs and a client that reads slowly hold up nobody else.
 *
 * @module
 */
import { z } from "zod";
import {
  type Address,
  address,
  defineActor,
  parseAddress,
  toOrreryError,
  type WireError,
  wireErrorSchema,
} from "../system/mod.ts";
import { ArbiterCore } from "./core.ts";
import { closeSchema, dropSchema, openSchema, rowsSchema } from "./messages.ts";
import { type Shape, stageTraceSchema, tokenResultSchema } from "../pipeline/mod.ts";

/** Resource `pipeline` of an arbiter: the stages and how they are to be used. */
export interface PipelineRoute {
  /** In order. */
  stages: Address[];
  /** How requests run, as planned. */
  shape: Shape;
  /** Rows that the arena may ever hold; bounded by the stages' memory. */
  capacity_rows: number;
}

/** Address of a deployment's arbiter at a gateway node. */
export const arbiterAddress = (deployment: string, key: string): Address =>
  address(deployment, "arbiter", key);

const count = z.number().int().nonnegative();

/** See the module's text. */
export const arbiterActor = defineActor({
  kind: "arbiter",
  config: z.object({
    /**
     * Milliseconds without a word from the stages, with frames under way, after which they have
     * failed.
     */
    silenceMs: z.number().positive().default(120_000),
    /** Milliseconds without a request after which the arena is freed. */
    idleMs: z.number().positive().default(600_000),
    /** Milliseconds between signs of life to the stages; less than their lease. */
    touchMs: z.number().positive().default(60_000),
  }),
  messages: {
    /** From Generations. */
    open: openSchema,
    rows: rowsSchema,
    drop: dropSchema,
    close: closeSchema,
    /** From the last stage. */
    tokens: z.object({
      arena: z.string(),
      seq: count,
      tokens: z.array(tokenResultSchema),
      trace: z.array(stageTraceSchema),
      /** Bytes of the frame's hidden states over the last link. */
      hidden_bytes: z.number().nonnegative().default(0),
    }),
    /**
     * From any stage: the arena is gone there; or, with `arena_memory`, a layout was refused and
     * all is as it was.
     */
    failed: z.object({ arena: z.string(), seq: count.optional(), error: wireErrorSchema }),
    /** From a stage: its deployment was retired, it ends with its last arena. */
    retiring: z.object({ arena: z.string() }),
    /** Answers {@linkcode ArbiterStats}. */
    stats: z.object({}),
    /** Answers the last frames' times, {@linkcode FrameTrace}. */
    traces: z.object({}),
  },
  activatedBy: ["open"],
  policy: { mailbox: 256 },

  create(ctx, config) {
    const { stages, shape, capacity_rows } = ctx.resource<PipelineRoute>("pipeline");
    const { key } = parseAddress(ctx.self);
    const incarnation = Math.floor(ctx.random() * 2 ** 32).toString(16); // stages remember closed arenas by name
    let arenas = 0;
    const core = new ArbiterCore({
      self: ctx.self,
      stages: stages.length,
      shape,
      capacityRows: capacity_rows,
      now: () => ctx.now(),
      nameArena: () => `${key.slice(0, 96)}.${incarnation}.${arenas++}`,
    });
    let heardAt = ctx.now();
    let busyAt = ctx.now();
    let retiring = false;
    let cancelPump: (() => void) | undefined;

    const toStages = (message: { type: string } & Record<string, unknown>) =>
      Promise.allSettled(stages.map((stage) => ctx.tell(stage, message, { deadlineMs: 10_000 })));

    /**
     * Carries out what the core decided. Nothing is awaited; order per receiver is the system's.
     */
    function flush(): Promise<unknown>[] {
      return core.takeEffects().map((effect) => {
        switch (effect.kind) {
          case "frame": {
            const { frame } = effect;
            return ctx.tell(stages[0], { type: "frame", ...frame }, {
              deadlineMs: config.silenceMs,
            })
              .catch((error) => {
                if (ctx.signal.aborted || frame.arena !== core.arena) return;
                core.end(toOrreryError(error, ctx.self).toWire()); // lost, or its mailbox is full and stays so
                turn();
              });
          }
          case "cancel":
            return toStages({ type: "cancel", arena: effect.arena, seqs: effect.seqs });
          case "close":
            return toStages({ type: "close", arena: effect.arena });
          case "results":
            // No deadline: its client may read slowly. It asks for no more rows meanwhile, so this
            // does not pile up.
            return ctx.tell(effect.to, { type: "tokens", ...effect.results }, {
              signal: ctx.signal,
            })
              .catch(() => {
                if (ctx.signal.aborted) return;
                core.close(effect.to); // it is gone
                turn();
              });
          case "failed":
            return ctx.tell(effect.to, { type: "failed", error: effect.error }, {
              signal: ctx.signal,
            })
              .catch(() => {}); // gone too
        }
      });
    }

    /** After every message: frames that can go, go; an arbiter that nobody needs ends. */
    function turn(): void {
      cancelPump?.();
      cancelPump = undefined;
      const idle = core.inFlight.length === 0;
      const again = core.pump();
      if (idle) heardAt = ctx.now(); // the clock runs while something is under way
      if (!core.idle) busyAt = ctx.now();
      flush();
      if (again !== undefined) cancelPump = ctx.after(again, turn);
      if (retiring && core.idle) rest();
    }

    /** Gives the arena back and ends. */
    function rest(): void {
      core.end(stopped("has no request"));
      flush();
      ctx.stop();
    }

    const stopped = (why: string): WireError => ({
      group: "actor",
      code: "arbiter_stopped",
      message: `${ctx.self} ${why} and stopped; send the request again`,
      actor: ctx.self,
    });

    function watchSilence(): void {
      const silent = core.inFlight.length > 0 ? ctx.now() - heardAt : 0;
      if (silent >= config.silenceMs) {
        core.end({
          group: "actor",
          code: "stages_silent",
          message: `no stage answered for ${config.silenceMs} ms (frames ${
            core.inFlight.slice(0, 16).join(", ")
          } are under way)`,
          metadata: { stages, silence_ms: config.silenceMs },
          actor: ctx.self,
        });
        turn();
      }
      ctx.after(Math.max(1, config.silenceMs - silent), watchSilence);
    }
    ctx.after(config.silenceMs, watchSilence);

    function watchIdle(): void {
      const idle = core.idle ? ctx.now() - busyAt : 0;
      if (idle >= config.idleMs) return rest();
      ctx.after(Math.max(1, config.idleMs - idle), watchIdle);
    }
    ctx.after(config.idleMs, watchIdle);

    function touch(): void {
      ctx.after(config.touchMs, touch);
      if (core.arena !== undefined) void toStages({ type: "touch", arena: core.arena });
    }
    ctx.after(config.touchMs, touch);

    // A crash, or the node closes: nobody must wait for an end that never comes, no stage hold rows
    // for nobody.
    ctx.onStop(async () => {
      core.end(stopped("did not finish its requests"));
      await Promise.allSettled(
        core.takeEffects().map((effect) =>
          effect.kind === "close"
            ? toStages({ type: "close", arena: effect.arena })
            : effect.kind === "failed"
            ? ctx.tell(effect.to, { type: "failed", error: effect.error }, { deadlineMs: 2_000 })
            : undefined
        ),
      );
    });

    return {
      open(open) {
        core.open(open);
        turn();
      },
      rows(rows) {
        core.rows(rows);
        if (!rows.more) turn();
      },
      drop(drop) {
        core.drop(drop);
        turn();
      },
      close({ generation }) {
        const usage = core.close(generation);
        turn();
        return usage;
      },
      tokens(answer) {
        heardAt = ctx.now();
        core.answered(answer);
        turn();
      },
      failed(failed) {
        heardAt = ctx.now();
        core.failed(failed);
        turn();
      },
      retiring({ arena }) {
        if (arena === core.arena) retiring = true;
        turn();
      },
      stats: () => core.stats(),
      traces: () => core.traces(),
    };
  },
});
