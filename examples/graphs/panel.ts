/**
 * An agent of the smallest kind: asks the model itself, several times for one message
 * (`custom_actor.yaml` names it).
 *
 * @module
 */
import { z } from "zod";
import { defineActor, type GeneratedText, MODEL } from "../../actors/mod.ts";

/** Answers each question by a request of its own. */
export default defineActor({
  kind: "panel",
  config: z.object({}),
  messages: { ask: z.object({ questions: z.array(z.string().min(1)).min(1).max(8) }) },
  create: (ctx) => ({
    async ask({ questions }) {
      const answers: string[] = [];
      for (const content of questions) {
        const { text } = await ctx.ask(MODEL, {
          type: "generate",
          messages: [{ role: "user", content }],
          sampling: { temperature: 0 },
          max_tokens: 40,
        }) as GeneratedText;
        answers.push(text.trim());
      }
      return { answers };
    },
  }),
});
