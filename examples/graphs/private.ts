/**
 * Stands between clients and the model: takes e-mail addresses and telephone numbers out of every
 * prompt before the model sees it, and counts what it has seen and taken out.
 *
 * @module
 */
import { z } from "zod";
import { defineActor, requestMessage, type RequestVerdict } from "../../actors/mod.ts";

/** What is taken out, and what stands there instead. */
const PRIVATE: [RegExp, string][] = [
  [/[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g, "[e-mail]"],
  [/\+?\d[\d ()/-]{6,}\d/g, "[telephone]"],
];

/** Sees every request before the model does. */
export default defineActor({
  kind: "private",
  config: z.object({}),
  messages: { request: requestMessage, counts: z.object({}) },
  create() {
    let seen = 0, taken = 0;
    const clean = (text: string) =>
      PRIVATE.reduce(
        (rest, [pattern, word]) =>
          rest.replaceAll(pattern, () => {
            taken++;
            return word;
          }),
        text,
      );
    return {
      request({ messages, prompt }): RequestVerdict {
        seen++;
        return {
          allow: true,
          request: {
            messages: messages?.map((m) => ({ ...m, content: clean(m.content) })),
            prompt: prompt === undefined ? undefined : clean(prompt),
          },
        };
      },
      counts: () => ({ seen, taken }),
    };
  },
});
