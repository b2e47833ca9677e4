/**
 * Durable actors for tests: one that does everything that such an actor may do.
 *
 * @module
 */
import { z } from "zod";
import { anyNode, defineActor, OrreryError } from "../../actors/mod.ts";

/** See the module's text. */
export const tally = defineActor({
  kind: "tally",
  config: z.object({}),
  state: z.object({ count: z.number(), rung: z.array(z.string()) }).default({
    count: 0,
    rung: [],
  }),
  alarms: true,
  messages: {
    add: z.object({ n: z.number().default(1) }),
    read: z.object({}),
    rung: z.object({}),
    set: z.object({ value: z.unknown() }),
    large: z.object({ bytes: z.number() }),
    refuse: z.object({}),
    crash: z.object({}),
    inPlace: z.object({}),
    wake: z.object({ at: z.number(), note: z.string(), name: z.string().optional() }),
    wakes: z.object({
      alarms: z.array(
        z.object({ inMs: z.number(), note: z.string(), name: z.string().optional() }),
      ),
    }),
    unset: z.object({ name: z.string() }),
    alarms: z.object({}),
    ring: z.object({ note: z.string() }),
    spread: z.object({ to: z.string() }),
    stop: z.object({}),
    clear: z.object({}),
    again: z.object({ note: z.string(), left: z.number() }),
  },
  callers: anyNode,
  policy: { mailbox: 64, restarts: { max: 1000, withinMs: 1000 } },
  create(ctx) {
    const { state } = ctx;
    const count = (n: number) => state.update((s) => ({ ...s, count: s.count + n })).count;
    return {
      add: ({ n }) => count(n),
      read: () => state.value.count,
      rung: () => state.value.rung,
      set: ({ value }) => state.set(value as { count: number; rung: string[] }),
      large: ({ bytes }) => state.set({ count: 1, rung: ["x".repeat(bytes)] }),
      refuse: () => {
        count(1);
        throw new OrreryError({ group: "test", code: "refused", message: "no" });
      },
      crash: () => {
        count(100);
        throw new RangeError("a defect");
      },
      inPlace: () => {
        (state.value as { count: number }).count = 7;
      },
      wake: ({ at, note, name }) => ctx.alarm(at, { type: "ring", note }, { name }),
      wakes: ({ alarms }) => {
        const now = ctx.date();
        for (const { inMs, note, name } of alarms) {
          ctx.alarm(now + inMs, { type: "ring", note }, { name });
        }
        return now;
      },
      unset: ({ name }) => ctx.cancelAlarm(name),
      alarms: () => ctx.alarms().map(({ name, at }) => ({ name, at })),
      ring: ({ note }) => {
        if (note === "crash" && !state.value.rung.includes("tried")) {
          // It stays, as it is saved before the crash.
          state.update((s) => ({ ...s, rung: [...s.rung, "tried"] }));
          return state.saved().then(() => {
            throw new RangeError("a defect");
          });
        }
        state.update((s) => ({ ...s, rung: [...s.rung, note] }));
      },
      async spread({ to }) {
        count(1);
        await ctx.tell(to, { type: "told", n: state.value.count });
      },
      stop: () => ctx.stop(),
      clear: () => state.clear(),
      again: ({ note, left }) => {
        state.update((s) => ({ ...s, rung: [...s.rung, note] }));
        if (left > 0) {
          ctx.alarm(ctx.date() + 5, { type: "again", note, left: left - 1 }, { name: "again" });
        }
      },
    };
  },
});

/** One that keeps nothing. */
export const plain = defineActor({
  kind: "plain",
  config: z.object({}),
  messages: { add: z.object({}), state: z.object({}), alarm: z.object({}) },
  callers: anyNode,
  create: (ctx) => ({
    add: () => 1,
    state: () => ctx.state.value,
    alarm: () => ctx.alarm(0, { type: "add" }),
  }),
});
