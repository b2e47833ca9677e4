/**
 * A custom actor for tests that counts, and sets alarms.
 *
 * @module
 */
import { z } from "zod";
import { defineActor } from "../../actors/mod.ts";

/** See the module's text. */
export default defineActor({
  kind: "counter",
  config: z.object({}),
  state: z.object({ count: z.number(), rung: z.array(z.string()) }).default({ count: 0, rung: [] }),
  alarms: true,
  messages: {
    add: z.object({}),
    read: z.object({}),
    wake: z.object({ at: z.number(), note: z.string() }),
    ring: z.object({ note: z.string() }),
  },
  create: (ctx) => ({
    add: () => ctx.state.update((s) => ({ ...s, count: s.count + 1 })).count,
    read: () => ctx.state.value,
    wake: ({ at, note }) => ctx.alarm(at, { type: "ring", note }),
    ring: ({ note }) => void ctx.state.update((s) => ({ ...s, rung: [...s.rung, note] })),
  }),
});
