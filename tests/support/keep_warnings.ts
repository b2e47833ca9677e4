/**
 * Keeps what the product logs, for tests of what is said.
 *
 * @module
 */
import { configure } from "@logtape/logtape";

/** From now on, until `reset` of LogTape, the text of each warning and error is added to `lines`. */
export function keepWarnings(lines: string[]): Promise<void> {
  return configure({
    reset: true,
    sinks: { memory: ({ message }) => void lines.push(message.map(String).join("")) },
    loggers: [
      { category: "orrery", lowestLevel: "warning", sinks: ["memory"] },
      { category: ["logtape", "meta"], lowestLevel: "fatal", sinks: ["memory"] },
    ],
  });
}
