/**
 * Stands between the model and clients: blackens words in the answer, also those that arrive in two
 * pieces (`custom_actor.yaml` names it).
 *
 * @module
 */
import { z } from "zod";
import { defineActor, deltaMessage, endMessage } from "../../actors/mod.ts";

/** One activation an answer: its key is the request's. */
export default defineActor({
  kind: "redact",
  config: z.object({ words: z.array(z.string().min(1)).min(1) }),
  messages: { delta: deltaMessage, end: endMessage },
  create(_ctx, { words }) {
    const pattern = new RegExp(
      `\\b(${words.map((w) => w.replace(/[^\w ]/g, "\\$&")).join("|")})\\b`,
      "gi",
    );
    const black = (text: string) => text.replace(pattern, (word) => "█".repeat(word.length));
    let held = "";
    return {
      // The last word may go on in the next piece.
      delta({ text }) {
        held += text;
        const cut = held.search(/\w*$/);
        const out = black(held.slice(0, cut));
        held = held.slice(cut);
        return { text: out };
      },
      end: () => ({ text: black(held) }),
    };
  },
});
