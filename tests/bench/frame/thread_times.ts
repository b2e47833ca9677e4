/**
 * Processor time of this process by kind of thread, from Linux's `/proc`.
 *
 * @module
 */

/** Processor time of each kind of thread so far, milliseconds. */
export interface ThreadTimes {
  /** The thread that runs mailbox and actors: the process's first one. */
  node: number;
  /** The engine's worker. */
  engine: number;
  /** All others: the runtime's own. */
  others: number;
}

/** Nanoseconds in a millisecond. */
const NS = 1e6;

/**
 * The times of this process's threads. Call it in the main thread. Throws Error where there is no
 * `/proc`: a table by thread cannot be made there.
 */
export function threadTimes(): ThreadTimes {
  const times: ThreadTimes = { node: 0, engine: 0, others: 0 };
  for (const { name: id } of Deno.readDirSync("/proc/self/task")) {
    const of = (file: string) => Deno.readTextFileSync(`/proc/self/task/${id}/${file}`).trim();
    const ms = Number(of("schedstat").split(" ")[0]) / NS;
    const kind = Number(id) === Deno.pid
      ? "node"
      : /^worker-\d+$/.test(of("comm"))
      ? "engine"
      : "others";
    times[kind] += ms;
  }
  return times;
}
