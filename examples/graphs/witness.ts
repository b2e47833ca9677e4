/**
 * Stands where the model takes requests, and remembers the last one: what the model is told.
 *
 * @module
 */
import { z } from "zod";
import { defineActor, requestMessage, type RequestVerdict } from "../../actors/mod.ts";

/** Sees every request as the model will. */
export default defineActor({
  kind: "witness",
  config: z.object({}),
  messages: { request: requestMessage, told: z.object({}) },
  create() {
    let told = "";
    return {
      request({ messages = [], prompt = "" }): RequestVerdict {
        told = [prompt, ...messages.map(({ content }) => content)].join("\n").trim();
        return { allow: true };
      },
      told: () => ({ told }),
    };
  },
});
