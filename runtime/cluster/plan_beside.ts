/**
 * Plans in a thread of its own. A plan for several devices takes a second of a fast processor and ten
 * of a slow one; in the node's thread, nobody would be answered meanwhile: the other nodes took the
 * first one for dead, the placement failed, and the next one began with another plan.
 *
 * @module
 */
import { type Graph, OrreryError } from "../../actors/mod.ts";
import type { Plan, PlanInput } from "../../planner/mod.ts";
import { planAs } from "./plan_as.ts";
import type { PlanAnswer, PlanQuestion } from "./plan_worker.ts";

/** Milliseconds in which a plan must be made. */
const DEADLINE_MS = 300_000;

/** Makes plans, see {@linkcode planBeside}. */
export type MakePlan = (
  input: PlanInput,
  graph: Pick<Graph, "decode">,
  signal: AbortSignal,
) => Promise<Plan>;

/**
 * The plan for this input. A plan for one device is made at once: it takes no time, and a thread
 * takes memory. Throws what the planner throws, the signal's reason, and `deadline_exceeded` where
 * the planner takes longer than five minutes.
 */
export const planBeside: MakePlan = async (input, { decode }, signal) => {
  if (input.devices.length < 2) return planAs(input, { decode });
  signal.throwIfAborted();
  const worker = new Worker(new URL("./plan_worker.ts", import.meta.url), {
    type: "module",
    name: "planner",
  });
  const { promise, resolve, reject } = Promise.withResolvers<Plan>();
  worker.onmessage = ({ data }: MessageEvent<PlanAnswer>) => {
    if ("plan" in data) resolve(data.plan);
    else reject(OrreryError.fromWire(data.error));
  };
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(`the planner's thread has failed: ${event.message}`));
  };
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop);
  const timer = setTimeout(() => reject(tooLong(input.devices.length)), DEADLINE_MS);
  try {
    worker.postMessage({ input, graph: { decode } } satisfies PlanQuestion);
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    worker.terminate();
  }
};

const tooLong = (devices: number) =>
  new OrreryError({
    group: "actor",
    code: "deadline_exceeded",
    message: `a plan for ${devices} devices was not made within ${DEADLINE_MS / 1000} s`,
  });
