/**
 * `GET /api/trace` and `GET /api/trace.svg`.
 *
 * @module
 */
import type { Api } from "./env.ts";
import { apiError } from "./errors.ts";
import type { Generator } from "./generator.ts";
import { tracedFrames, traceSvg } from "./trace.ts";

/** Largest `last` of the trace routes, in frames; also what they give without it. */
const MOST_FRAMES = 512;

/** Adds the routes; `traces` gives the frames. */
export function traceRoutes(app: Api, traces: NonNullable<Generator["traces"]>): void {
  app.get(
    "/api/trace",
    async (c) => c.json((await lastFrames(traces, c.req.query("last"))).frames),
  );
  app.get("/api/trace.svg", async (c) => {
    const { frames, node } = await lastFrames(traces, c.req.query("last"));
    return c.body(traceSvg(frames, node), 200, {
      "content-type": "image/svg+xml; charset=utf-8",
    });
  });
}

/** The newest `last` frames of this node; `last` is the query's text. Throws `invalid_value`. */
async function lastFrames(traces: NonNullable<Generator["traces"]>, last?: string) {
  const most = last === undefined ? MOST_FRAMES : /^\d{1,3}$/.test(last) ? Number(last) : 0;
  if (most < 1 || most > MOST_FRAMES) {
    const wanted = `expected a whole number from 1 to ${MOST_FRAMES}, got ${JSON.stringify(last)}`;
    throw apiError("invalid_value", `last: ${wanted}`, "last");
  }
  const { node, traces: frames } = await traces();
  return { node, frames: tracedFrames(frames.slice(-most)) };
}
