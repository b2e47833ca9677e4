/**
 * Messages that an actor could not send. Most actors go on without: who is gone needs no message, and
 * a lost one is sent again, or its receiver frees by itself what the message would have freed. But a
 * message that no receiver would take (it is too large, or breaks a rule of the receiver) is a fault
 * of the program, and must be seen.
 *
 * @module
 */
import type { ActorContext } from "./context.ts";
import { type OrreryError, toOrreryError } from "./errors.ts";
import type { WorkReport } from "./telemetry.ts";

/** A message could not be sent. */
export interface UnsentReport extends WorkReport {
  /** Names the report. */
  readonly type: "unsent";
  /** Name of the message. */
  readonly message: string;
  /** Address that it was meant for. */
  readonly to: string;
  /** Why it could not be sent. */
  readonly error: OrreryError;
}

/**
 * Reports that a message could not be sent, and throws nothing:
 * `ctx.tell(to, message).catch(unsent(ctx, { to, message: message.type }))`.
 */
export function unsent(
  ctx: Pick<ActorContext, "self" | "report">,
  { to, message }: { to: string; message: string },
): (error: unknown) => void {
  return (error) => {
    const report: UnsentReport = {
      type: "unsent",
      message,
      to,
      error: toOrreryError(error, ctx.self),
    };
    ctx.report(report);
  };
}

/** `ctx.tell`, but what could not be sent is reported too. Whoever waits for it learns that as ever. */
export function reportingTell(
  ctx: Pick<ActorContext, "self" | "report" | "tell">,
): ActorContext["tell"] {
  return (to, message, options) => {
    const sent = ctx.tell(to, message, options);
    sent.catch(unsent(ctx, { to, message: message.type }));
    return sent;
  };
}

/** Whether a report is of a message that could not be sent. */
export const isUnsent = (report: WorkReport): report is UnsentReport => report.type === "unsent";
