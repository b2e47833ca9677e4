/**
 * A recorder actor and a simulated world of nodes for it: what tests of the framework share.
 *
 * @module
 */
import { z } from "zod";
import {
  type Address,
  anyNode,
  defineActor,
  directoryOf,
  OrreryError,
  Simulation,
} from "../../actors/system/mod.ts";

/** An actor that records what it gets, and waits, throws or answers when told. */
export const recorder = defineActor({
  kind: "recorder",
  config: z.object({ idleMs: z.number().optional() }),
  messages: {
    put: z.object({ n: z.number() }),
    slow: z.object({ ms: z.number() }),
    crash: z.object({}),
    refuse: z.object({}),
    read: z.object({}),
    urgent: z.object({}),
  },
  callers: anyNode,
  urgent: ["urgent"],
  policy: { mailbox: 4, restarts: { max: 2, withinMs: 1_000 } },
  create(ctx) {
    const seen: (number | string)[] = [];
    return {
      put: ({ n }) => void seen.push(n),
      slow: ({ ms }, meta) =>
        new Promise((resolve, reject) => {
          ctx.after(ms, () => {}); // keeps virtual time going
          const cancel = simulation.clock.after(ms, () => resolve("done"));
          meta.signal.addEventListener("abort", () => {
            cancel();
            seen.push("aborted");
            reject(meta.signal.reason);
          });
        }),
      crash: () => {
        throw new Error("a bug");
      },
      refuse: () => {
        throw new OrreryError({
          group: "test",
          code: "refused",
          message: "no",
          metadata: { why: 1 },
        });
      },
      read: () => seen,
      urgent: () => void seen.push("urgent"),
    };
  },
});

/** The simulation of the world that was made last: its clock times the recorder's handlers. */
let simulation: Simulation;

/** Address of a recorder. */
export const A = "t/recorder/a" as Address;

/** Simulated nodes that know recorders; `place` names the node of an address. @default n1 */
export function recorderWorld(
  options: { nodes?: string[]; place?: (a: string) => string; seed?: number } = {},
) {
  const sim = new Simulation({ seed: options.seed ?? 1 });
  simulation = sim;
  const directory = directoryOf(options.place ?? (() => "n1"));
  const systems = (options.nodes ?? ["n1"]).map((n) => {
    const system = sim.node(n, directory);
    system.register(recorder, { config: {} });
    return system;
  });
  return { sim, systems };
}
