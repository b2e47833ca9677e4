/**
 * Which copy of a deployment answers a request first.
 *
 * @module
 */
import { z } from "zod";
import type { Deployment } from "../../actors/mod.ts";

/** Tokens of the answer by which copies are compared. */
const TOKENS = 128;
/** Seconds of a request where nothing was planned: then the number of requests decides. */
const UNPLANNED_S = 1;

const predictedSchema = z.object({
  predicted: z.object({
    ttft_s: z.number().nonnegative(),
    tpot_s: z.number().nonnegative(),
  }),
});

/**
 * Seconds until a request would be answered by a deployment that has so many already, as its plan
 * predicts: requests that run together share its time.
 */
export function predictedSeconds(
  { plan }: Pick<Deployment, "plan">,
  requests: number,
): number {
  const parsed = predictedSchema.safeParse(plan);
  if (!parsed.success) return UNPLANNED_S * (1 + requests);
  const { ttft_s, tpot_s } = parsed.data.predicted;
  return (ttft_s + TOKENS * tpot_s) * (1 + requests);
}

/** The one that answers first; of several the first one. Undefined: there is none. */
export function quickest<T extends { deployment: Pick<Deployment, "id" | "plan"> }>(
  copies: readonly T[],
  requestsOf: (id: string) => number,
): T | undefined {
  let best: { copy: T; seconds: number } | undefined;
  for (const copy of copies) {
    const seconds = predictedSeconds(copy.deployment, requestsOf(copy.deployment.id));
    if (!best || seconds < best.seconds) best = { copy, seconds };
  }
  return best?.copy;
}
