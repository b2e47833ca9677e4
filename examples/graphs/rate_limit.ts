/**
 * Lets so many requests through in a while, and refuses others with the time after which to come
 * again (HTTP 429). What it has counted outlives crashes and restarts of its node.
 *
 * A bucket of tokens: it holds `burst`, each request takes one, and `per_minute` flow back in.
 */
import { defineActor, requestMessage, type RequestVerdict } from "../../actors/mod.ts";
import { z } from "zod";

export default defineActor({
  kind: "rate_limit",
  config: z.object({ per_minute: z.number().positive(), burst: z.number().int().positive() }),
  /** `at`: Unix time in milliseconds at which there were so many `tokens`. */
  state: z.object({ tokens: z.number().optional(), at: z.number() }).default({ at: 0 }),
  messages: { request: requestMessage, left: z.object({}) },
  create(ctx, { per_minute, burst }) {
    const left = () => {
      const { tokens = burst, at } = ctx.state.value;
      const minutes = Math.max(0, ctx.date() - at) / 60_000;
      return Math.min(burst, tokens + minutes * per_minute);
    };
    return {
      request(): RequestVerdict {
        const tokens = left();
        if (tokens < 1) {
          const retry_after_s = Math.ceil(60 * (1 - tokens) / per_minute);
          const message = `${per_minute} requests a minute are answered here; come again in ` +
            `${retry_after_s} s`;
          return { allow: false, message, retry_after_s };
        }
        ctx.state.set({ tokens: tokens - 1, at: ctx.date() });
        return { allow: true };
      },
      left: () => Math.floor(left()),
    };
  },
});
