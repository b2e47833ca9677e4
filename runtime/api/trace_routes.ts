/**
 * `GET /api/trace` and `GET /api/trace.svg`.
 *
 * @module
 */
import { z } from "zod";
import type { Api } from "./env.ts";
import type { Generator } from "./generator.ts";
import { parseQuery } from "./page.ts";
import { tracedFrames, traceSvg } from "./trace.ts";

/** Largest `last` of the trace routes, in frames; also what they give without it. */
const MOST_FRAMES = 512;

const LAST = `expected a whole number from 1 to ${MOST_FRAMES}`;

/** The query of both routes. */
export const traceQuery = z.object({
  last: z.string().regex(/^\d{1,3}$/, LAST).transform(Number)
    .pipe(z.number().min(1, LAST).max(MOST_FRAMES, LAST)).default(MOST_FRAMES)
    .describe("so many of the newest frames"),
});

/** Adds the routes; `traces` gives the frames. */
export function traceRoutes(app: Api, traces: NonNullable<Generator["traces"]>): void {
  app.get(
    "/api/trace",
    async (c) => c.json((await lastFrames(traces, c.req.query())).frames),
  );
  app.get("/api/trace.svg", async (c) => {
    const { frames, node } = await lastFrames(traces, c.req.query());
    return c.body(traceSvg(frames, node), 200, {
      "content-type": "image/svg+xml; charset=utf-8",
    });
  });
}

/** The newest frames of this node, as many as the query says. Throws `invalid_value`. */
async function lastFrames(
  traces: NonNullable<Generator["traces"]>,
  query: Record<string, string>,
) {
  const { last } = parseQuery(traceQuery, query);
  const { node, traces: frames } = await traces();
  return { node, frames: tracedFrames(frames.slice(-last)) };
}
