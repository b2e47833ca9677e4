/**
 * Remembers conversations: a client says one thing at a time and names the conversation. Each has
 * an activation of its own, which goes when it is idle, and its state stays. A conversation that
 * nobody has gone on with for `forget_after_s` is forgotten, by an alarm.
 */
import { customAddress, defineActor, type GeneratedText, MODEL } from "../../actors/mod.ts";
import { z } from "zod";

const turn = z.object({ role: z.enum(["user", "assistant"]), content: z.string() });

export default defineActor({
  kind: "conversation",
  config: z.object({
    forget_after_s: z.number().positive().default(7 * 86_400),
    most_turns: z.number().int().positive().default(20),
    max_tokens: z.number().int().positive().default(64),
  }),
  state: z.array(turn).default([]),
  alarms: true,
  messages: {
    /** To the actor with key `main`, from clients. */
    say: z.object({
      conversation: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
      text: z.string().min(1).max(4_000),
    }),
    /** To the actor of one conversation. */
    go_on: z.object({ text: z.string() }),
    forget: z.object({}),
  },
  concurrent: ["say"], // one conversation does not wait for another
  policy: { idleMs: 30_000 },
  create(ctx, { forget_after_s, most_turns, max_tokens }) {
    const { state } = ctx;
    return {
      // A client that says the same again, with the key of before, is told the same again.
      say: ({ conversation, text }, { key: idempotencyKey }) =>
        ctx.ask(
          customAddress("conversation", `c-${conversation}`),
          { type: "go_on", text },
          { idempotencyKey },
        ),
      async go_on({ text }) {
        const asked = [...state.value, { role: "user" as const, content: text }];
        const answer = await ctx.ask(MODEL, {
          type: "generate",
          ...{ messages: asked.slice(-most_turns), max_tokens, sampling: { temperature: 0 } },
        }) as GeneratedText;
        // Nothing is kept of a question that was not answered.
        state.set(
          [...asked, { role: "assistant" as const, content: answer.text }].slice(-most_turns),
        );
        ctx.alarm(ctx.date() + 1000 * forget_after_s, { type: "forget" }, { name: "forget" });
        return { text: answer.text, turns: state.value.length };
      },
      forget: () => state.clear(),
    };
  },
});
