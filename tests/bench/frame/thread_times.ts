/**
 * Processor time of this process by kind of thread, from Linux's `/proc`.
 *
 * @module
 */

/** Processor time of each kind of thread so far, milliseconds. */
export interface ThreadTimes {
  /** The thread that runs mailbox and actors: the process's first one. */
  node: number;
  /** All others: the engine's, and the runtime's own. */
  others: number;
}

/** Nanoseconds in a millisecond. */
const NS = 1e6;

/**
 * The times of this process's threads. Call it in the main thread. Throws Error where there is no
 * `/proc`: a table by thread cannot be made there.
 */
export function threadTimes(): ThreadTimes {
  const times: ThreadTimes = { node: 0, others: 0 };
  for (const { name: id } of Deno.readDirSync("/proc/self/task")) {
    const [ns] = Deno.readTextFileSync(`/proc/self/task/${id}/schedstat`).split(" ");
    const kind = Number(id) === Deno.pid ? "node" : "others";
    times[kind] += Number(ns) / NS;
  }
  return times;
}
