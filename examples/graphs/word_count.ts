/**
 * An actor of one's own, as `custom_actor.yaml` names it: counts the words of what it is told.
 *
 * @module
 */
import { z } from "zod";
import { defineActor } from "../../actors/mod.ts";

/** Counts words of at least `least` letters. */
export default defineActor({
  kind: "word-count",
  config: z.object({ least: z.number().int().positive().default(1) }),
  messages: { text: z.object({ text: z.string() }), words: z.object({}) },
  create(_ctx, { least }) {
    let words = 0;
    return {
      text: ({ text }) => void (words += text.split(/\s+/).filter((word) => word.length >= least).length),
      words: () => words,
    };
  },
});
