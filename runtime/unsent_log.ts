/**
 * The log of messages that actors of this node could not send.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { UnsentReport } from "../actors/mod.ts";
import { LimitedLog, type LimitedLogOptions } from "./limited_log.ts";

const log = getLogger(["orrery", "node"]);

/** Codes of errors by which the receiver, or the sender, is at its end: that is common and harmless. */
const ENDED = ["not_active", "no_owner", "cancelled", "stopped", "closed"];

/**
 * Logs messages that could not be sent: one line a minute for each sender, message and code of error,
 * since an actor may try again and again.
 */
export function unsentLog(
  options?: LimitedLogOptions,
): (from: string, report: UnsentReport) => void {
  const limits = new LimitedLog(options);
  return (from, { message: type, to, error }) => {
    const { write, leftOut } = limits.take(`${from} ${type} ${error.code}`);
    if (!write) return;
    const more = leftOut > 0 ? ` (and ${leftOut} more since the last such line)` : "";
    const level = ENDED.includes(error.code) ? "debug" : "warn";
    log[level]("message not sent: {type} from {from} to {to}: {message}{more}", {
      ...{ type, from, to, message: error.message, more },
    });
  };
}
