/**
 * The log of messages that reached no actor.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { type DeadLetter, SERVERS } from "../actors/mod.ts";
import { LimitedLog } from "./limited_log.ts";

const log = getLogger(["orrery", "node"]);

/**
 * Logs messages that reached no actor. Other nodes cannot fill the log: of each of them, one line a
 * minute for each code of error.
 */
export function deadLetterLog(): (letter: DeadLetter) => void {
  const limits = new LimitedLog();
  return (letter) => {
    const { peer, error } = letter;
    if (peer === undefined) return logDeadLetter(letter, "");
    const { write, leftOut } = limits.take(`${error.code} ${peer}`);
    const more = leftOut > 0 ? ` (and ${leftOut} more since the last such line)` : "";
    if (write) logDeadLetter(letter, `${more}, from node ${peer}`);
  };
}

function logDeadLetter({ to, from, type, error, peer }: DeadLetter, more: string): void {
  // A message to an actor that has just ended is common and harmless. A message from this node's
  // outside is an ask, whose caller gets the error already. Members ask for the servers actor to
  // find out whether the registry is a managed one.
  const level = (from === "" && peer === undefined) || to === SERVERS ||
      ["not_active", "no_owner", "cancelled"].includes(error.code)
    ? "debug"
    : "warn";
  log[level]("dead letter: {type} from {from} to {to}: {message}{more}", {
    type,
    from: from || "outside",
    to,
    message: error.message,
    more,
  });
}
