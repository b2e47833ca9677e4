/**
 * What the node and the worker of a custom actor say to each other. The worker runs code of others:
 * whatever comes from it is checked.
 *
 * @module
 */
import { z } from "zod";
import type { TraceContext, WireError } from "../../actors/mod.ts";

/**
 * Calls: the worker answers each with `settled`. `now` is the actor system's time in milliseconds.
 */
export type Call =
  /** Does the config fit the module's schema? */
  | { op: "config"; config: unknown }
  /** Makes the behaviour. `seed`: of `ctx.random`, 32 bit. */
  | { op: "create"; self: string; config: unknown; seed: number; now: number }
  | {
    op: "handle";
    type: string;
    body: unknown;
    from: string;
    received: number;
    deadline?: number;
    trace?: TraceContext;
    now: number;
  }
  /** A time of `ctx.after` has come. */
  | { op: "timer"; id: number; now: number }
  /** Runs what `ctx.onStop` was given. */
  | { op: "stopping"; now: number };

/** To the worker. */
export type ToWorker =
  | (Call & { call: number })
  /** Nobody waits for this call any more. */
  | { op: "abort"; call: number; reason: WireError }
  /** Answer to its `send`. */
  | { op: "reply"; id: number; value?: unknown; error?: WireError }
  | { op: "ping" };

const id = z.number().int().nonnegative();
const names = z.array(z.string().min(1).max(128)).max(64);

/** What a module's definition says, functions and schemas left out. */
export const descriptionSchema = z.object({
  kind: z.string(),
  messages: names,
  urgent: names,
  concurrent: names,
  activatedBy: names.optional(),
  policy: z.object({
    mailbox: z.number().int().min(1).max(1024).optional(),
    idleMs: z.number().nonnegative().optional(),
    restarts: z.object({ max: z.number().int().nonnegative(), withinMs: z.number().positive() })
      .optional(),
  }),
});

/** See {@linkcode descriptionSchema}. */
export type Description = z.output<typeof descriptionSchema>;

/** How a call failed: `crash` is anything that was thrown but an OrreryError. */
const failure = z.object({
  crash: z.boolean(),
  group: z.string().max(64).default("actor"),
  code: z.string().max(64).default("internal"),
  message: z.string().transform((text) => text.slice(0, 4_000)),
  public: z.boolean().default(true),
  metadata: z.record(z.string(), z.unknown()).default({}),
});

/** From the worker. */
export const fromWorker = z.discriminatedUnion("op", [
  z.object({ op: z.literal("ready"), description: descriptionSchema }),
  z.object({ op: z.literal("broken"), message: z.string() }),
  z.object({
    op: z.literal("settled"),
    call: id,
    value: z.unknown(),
    failure: failure.optional(),
    /** What `ctx.onIdle` says as things stand. */
    mayIdle: z.boolean(),
  }),
  z.object({
    op: z.literal("send"),
    id,
    kind: z.enum(["tell", "ask"]),
    to: z.string().max(400),
    message: z.looseObject({ type: z.string().min(1).max(128) }),
    deadlineMs: z.number().positive().optional(),
  }),
  z.object({ op: z.literal("cancel"), id }),
  z.object({ op: z.literal("after"), id, ms: z.number().nonnegative() }),
  z.object({ op: z.literal("unafter"), id }),
  z.object({ op: z.literal("stop") }),
  /** Alive; bytes that its objects take. */
  z.object({ op: z.literal("pong"), bytes: z.number() }),
]);

/** See {@linkcode fromWorker}. */
export type FromWorker = z.output<typeof fromWorker>;
/** As the worker writes it. */
export type FromWorkerInput = z.input<typeof fromWorker>;
