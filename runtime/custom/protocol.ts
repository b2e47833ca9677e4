/**
 * The messages between the node and the worker of a custom actor. The worker runs code that the
 * node does not trust, so every message from it is checked against a schema.
 *
 * @module
 */
import { z } from "zod";
import type { SeenActor, TraceContext, WireError } from "../../actors/mod.ts";

/**
 * Calls of the node; the worker answers each one with `settled`. `now`, `received` and `deadline`
 * are the actor system's time in milliseconds.
 */
export type Call =
  /** Checks the config against the module's schema. */
  | { op: "config"; config: unknown }
  /** Makes the behaviour; `seed` is the 32-bit seed of `ctx.random`. */
  | {
    op: "create";
    self: string;
    epoch: number;
    config: unknown;
    seed: number;
    now: number;
    /** What is kept of the actor. */
    kept: SeenActor;
    /** Most bytes of its state, and most alarms. */
    limits: { stateBytes: number; alarms: number };
  }
  /** Runs the handler of message `type`. */
  | {
    op: "handle";
    type: string;
    body: unknown;
    from: string;
    received: number;
    deadline?: number;
    trace?: TraceContext;
    /** Name of the alarm that brought the message: it is off the list. */
    alarm?: string;
    /** Its idempotency key. */
    key?: string;
    now: number;
  }
  /** Runs the function that `ctx.after` got this id for: its time has come. */
  | { op: "timer"; id: number; now: number }
  /** Runs the functions that `ctx.onStop` was given. */
  | { op: "stopping"; now: number };

/** A message to the worker. */
export type ToWorker =
  | (Call & { call: number })
  /** Aborts the signal of this call: nobody waits for its answer any more. */
  | { op: "abort"; call: number; reason: WireError }
  /** Settles the worker's `send` with this id. */
  | { op: "reply"; id: number; value?: unknown; error?: WireError }
  /** The worker must answer `pong`: it shows that it is not computing without a pause. */
  | { op: "ping" };

const id = z.number().int().nonnegative();
const names = z.array(z.string().min(1).max(128)).max(64);

/** The fields of a module's definition that are no functions or schemas. */
export const descriptionSchema = z.object({
  kind: z.string(),
  messages: names,
  urgent: names,
  concurrent: names,
  activatedBy: names.optional(),
  /** Does it declare a state? */
  state: z.boolean(),
  /** May it set alarms? */
  alarms: z.boolean(),
  policy: z.object({
    mailbox: z.number().int().min(1).max(1024).optional(),
    idleMs: z.number().nonnegative().optional(),
    restarts: z.object({ max: z.number().int().nonnegative(), withinMs: z.number().positive() })
      .optional(),
    crashIsAnswer: z.boolean().optional(),
    activations: z.number().int().min(1).max(1024).optional(),
  }),
});

/** See {@linkcode descriptionSchema}. */
export type Description = z.output<typeof descriptionSchema>;

/** How a call failed. `crash`: what was thrown is no OrreryError. */
const failure = z.object({
  crash: z.boolean(),
  group: z.string().max(64).default("actor"),
  code: z.string().max(64).default("internal"),
  message: z.string().transform((text) => text.slice(0, 4_000)),
  public: z.boolean().default(true),
  metadata: z.record(z.string(), z.unknown()).default({}),
});

/** A message from the worker. */
export const fromWorker = z.discriminatedUnion("op", [
  /** The module was loaded. */
  z.object({ op: z.literal("ready"), description: descriptionSchema }),
  /** The module failed, while it was loaded or later outside of any call. */
  z.object({ op: z.literal("broken"), message: z.string() }),
  /** The end of a call. */
  z.object({
    op: z.literal("settled"),
    call: id,
    value: z.unknown(),
    failure: failure.optional(),
    /** Do all functions that `ctx.onIdle` was given agree that the activation may end? */
    mayIdle: z.boolean(),
  }),
  /** `ctx.tell` or `ctx.ask`. */
  z.object({
    op: z.literal("send"),
    id,
    kind: z.enum(["tell", "ask"]),
    to: z.string().max(400),
    message: z.looseObject({ type: z.string().min(1).max(128) }),
    deadlineMs: z.number().positive().optional(),
    /** Its idempotency key. */
    key: z.string().max(256).optional(),
  }),
  /** Gives up the `send` with this id. */
  z.object({ op: z.literal("cancel"), id }),
  /** `ctx.after`: the node must call `timer` after `ms` milliseconds. */
  z.object({ op: z.literal("after"), id, ms: z.number().nonnegative() }),
  /** Cancels the timer with this id. */
  z.object({ op: z.literal("unafter"), id }),
  /** `ctx.state` was set to this JSON text; left out: it was cleared. */
  z.object({ op: z.literal("state"), state: z.string().optional() }),
  /** `ctx.state.saved`: the node must answer `reply` when all changes so far are saved. */
  z.object({ op: z.literal("saved"), id }),
  /** `ctx.alarm`. */
  z.object({
    op: z.literal("alarm"),
    name: z.string().min(1).max(128),
    at: z.number().nonnegative(),
    message: z.looseObject({ type: z.string().min(1).max(128) }),
  }),
  /** `ctx.cancelAlarm`. */
  z.object({ op: z.literal("cancel_alarm"), name: z.string().min(1).max(128) }),
  /** `ctx.stop`. */
  z.object({ op: z.literal("stop") }),
  /** Answer to `ping`; `bytes` is the memory that the worker's objects take. */
  z.object({ op: z.literal("pong"), bytes: z.number() }),
]);

/** See {@linkcode fromWorker}. */
export type FromWorker = z.output<typeof fromWorker>;
/** A message as the worker writes it, before the schema fills in defaults. */
export type FromWorkerInput = z.input<typeof fromWorker>;
