/**
 * `POST /api/plan`: the plan that would be made if something were different. Nothing is changed.
 *
 * @module
 */
import { z } from "zod";
import { OrreryError } from "../../actors/mod.ts";
import type { InputChanges, Plan, PlanInput } from "../../planner/mod.ts";
import { type BodyLimits, readJson } from "./body.ts";
import { type Api, stopper } from "./env.ts";
import { apiError } from "./errors.ts";
import { ownPagesOnly } from "./nodes.ts";
import { parseBody } from "./parse_body.ts";

/** Plans that are made at once for this route; each takes a thread. */
const MOST_PLANS = 2;
/** Milliseconds in which a plan must be made. */
const PLAN_MS = 60_000;

const host = z.string().min(1).max(128);
const speed = z.number().min(0.01).max(100);
const memory = z.number().min(1 << 20).max(2 ** 50);
const latency = z.number().min(0).max(60_000);
const mbit = z.number().min(0.001).max(1e7);
const layer = z.int().min(0).max(4095);

/** The body of `POST /api/plan`. */
export const whatIfSchema = z.strictObject({
  add: z.array(z.strictObject({
    name: host.describe("what it is called; no device has this name"),
    like: host.describe("the device that it is like"),
    speed: speed.optional().describe("how many times as fast as that one"),
    memory_bytes: memory.optional().describe("bytes of its memory that stages may use"),
    latency_ms: latency.default(1).describe("latency of its links, one way, milliseconds"),
    mbit_per_s: mbit.default(1_000).describe("bandwidth of its links, megabits a second"),
  })).max(8).optional().describe("devices that join"),
  devices: z.array(z.strictObject({
    host,
    speed: speed.optional().describe("how many times as fast as it is"),
    memory_bytes: memory.optional().describe("bytes of its memory that stages may use"),
  })).max(256).optional().describe("devices that are faster, slower, larger or smaller"),
  links: z.array(z.strictObject({
    from: host,
    to: host,
    latency_ms: latency.optional().describe("latency one way, milliseconds"),
    mbit_per_s: mbit.optional().describe("bandwidth, megabits a second"),
  })).max(1024).optional().describe("links that are different, in both directions"),
  pin: z.array(z.strictObject({ host, first: layer, last: layer })).max(256).optional()
    .describe("layers that are computed on a device in any case, in place of the graph's"),
  exclude: z.array(host).max(256).optional().describe("devices that are not used"),
  workload: z.strictObject({
    prompt_tokens: z.int().min(1).max(1 << 20).optional(),
    output_tokens: z.int().min(1).max(1 << 20).optional(),
    concurrent: z.int().min(1).max(256).optional().describe("requests at once"),
    branches: z.int().min(1).max(64).optional().describe("outline branches of a request"),
  }).optional().describe("the requests that the plan is made for"),
});

/**
 * Makes the plan and tells from what; undefined: there is no plan that could be changed. Throws
 * `ask_first_node`, and what the planner throws.
 */
export type WhatIf = (
  changes: InputChanges,
  signal: AbortSignal,
) => Promise<{ plan: Plan; input: PlanInput } | undefined>;

/** Adds the route. */
export function whatIfRoute(
  app: Api,
  whatIf: WhatIf,
  { limits, origins = [] }: { limits: BodyLimits; origins?: readonly string[] },
): void {
  let running = 0;
  app.post("/api/plan", ownPagesOnly(origins, "let this node plan"), async (c) => {
    const changes = parseBody(whatIfSchema, await readJson(c.req.raw, limits));
    if (running >= MOST_PLANS) {
      const message = `this node makes ${MOST_PLANS} plans already: ask again when one is made`;
      throw apiError("plan_running", message);
    }
    running++;
    const stop = new AbortController();
    const abort = stopper(c, stop);
    try {
      const late = AbortSignal.timeout(PLAN_MS);
      const made = await whatIf(changes, AbortSignal.any([stop.signal, late]));
      if (made) return c.json(answerOf(made));
    } catch (error) {
      throw error instanceof DOMException && error.name === "TimeoutError" ? tooLong() : error;
    } finally {
      abort.release();
      running--;
    }
    throw apiError(
      "not_found",
      "there is no plan to change: the layers were placed without measurements (--layers, " +
        "--placement even, or a single node in its first seconds), or nothing is served yet",
    );
  });
}

/** The plan, and what it was made from in the route's units. A link without a limit has null. */
function answerOf({ plan, input }: { plan: Plan; input: PlanInput }) {
  const { devices, links, workload, model } = input;
  return {
    plan,
    model: { name: model.name, layers: model.layers, context: model.context },
    devices: devices.map(({ name, memoryBytes }) => ({ host: name, memory_bytes: memoryBytes })),
    links: devices.flatMap((from, a) =>
      devices.flatMap((to, b) =>
        a >= b ? [] : [{
          from: from.name,
          to: to.name,
          latency_ms: 1000 * links.seconds[a][b],
          mbit_per_s: Number.isFinite(links.bytesPerS[a][b])
            ? links.bytesPerS[a][b] / 125_000
            : null,
        }]
      )
    ),
    workload: {
      prompt_tokens: workload.promptTokens,
      output_tokens: workload.outputTokens,
      concurrent: workload.concurrent,
      branches: workload.branches,
    },
  };
}

const tooLong = () =>
  new OrreryError({
    group: "actor",
    code: "deadline_exceeded",
    message: `the plan was not made within ${PLAN_MS / 1000} s: plan the file with deno task plan`,
  });
