/**
 * Stands between clients and the model: refuses some words, and asks for short answers
 * (`custom_actor.yaml` names it).
 *
 * @module
 */
import { z } from "zod";
import { defineActor, requestMessage, type RequestVerdict } from "../../actors/mod.ts";

/** Sees every request before the model does. */
export default defineActor({
  kind: "guard",
  config: z.object({
    forbidden: z.array(z.string()).default([]),
    most_tokens: z.number().int().positive(),
  }),
  messages: { request: requestMessage, refused: z.object({}) },
  create(_ctx, { forbidden, most_tokens }) {
    let refused = 0;
    return {
      request({ messages = [], prompt = "", max_tokens = most_tokens }): RequestVerdict {
        const text = [prompt, ...messages.map((m) => m.content)].join("\n").toLowerCase();
        const word = forbidden.find((w) => text.includes(w));
        if (word === undefined) {
          return { allow: true, request: { max_tokens: Math.min(max_tokens, most_tokens) } };
        }
        refused++;
        return {
          allow: false,
          code: "forbidden_topic",
          message: `questions about ${word} are not answered here`,
        };
      },
      refused: () => ({ refused }),
    };
  },
});
