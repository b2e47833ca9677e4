/**
 * An actor for tests: it can do everything that a custom actor must not do, and what it may.
 *
 * @module
 */
import process from "node:process";
import { z } from "zod";
import { defineActor, OrreryError } from "../../actors/mod.ts";

const attempts: Record<string, (arg: string) => unknown> = {
  fetch: async (url) => await (await fetch(url)).text(),
  read: (path) => Deno.readTextFile(path),
  import: async (path) => (await import(path)).default,
  env: (name) => Deno.env.get(name) ?? "(not set)",
  write: (path) => Deno.writeTextFile(path, "x"),
  run: () => new Deno.Command("true").output(),
  sys: () => Deno.hostname(),
  worker: () => new Worker("data:text/javascript,", { type: "module" }),
  kill: () => Deno.kill(Deno.pid, "SIGCONT"),
  kill_by_node: () => process.kill(process.pid, "SIGCONT"),
  caches: () => caches.open("x"),
};

/** See the module's text. */
export default defineActor({
  kind: "unruly",
  config: z.object({ start: z.number().default(0) }),
  state: z.object({ saved: z.number(), rung: z.array(z.string()) }).default({ saved: 0, rung: [] }),
  alarms: true,
  messages: {
    attempt: z.object({ what: z.string(), arg: z.string().default("") }),
    add: z.object({ n: z.number() }),
    read: z.object({}),
    throw: z.object({}),
    refuse: z.object({}),
    loop: z.object({}),
    never: z.object({}),
    reject_later: z.object({}),
    fail_later: z.object({}),
    hoard: z.object({}),
    answer: z.object({ kind: z.enum(["large", "function", "nothing"]) }),
    large: z.object({ text: z.string() }),
    ask: z.object({
      to: z.string(),
      message: z.looseObject({ type: z.string() }),
      deadline: z.number().optional(),
    }),
    later: z.object({ to: z.string() }),
    world: z.object({}),
    stop: z.object({}),
    bye: z.object({ to: z.string() }),
    cancelled: z.object({ to: z.string() }),
    delta: z.object({ text: z.string() }),
    save: z.object({ n: z.number() }),
    saved: z.object({}),
    save_and_throw: z.object({}),
    wake: z.object({ in: z.number(), note: z.string(), name: z.string().optional() }),
    ring: z.object({ note: z.string() }),
    kept: z.object({}),
    unset: z.object({ name: z.string() }),
    set: z.object({ value: z.unknown() }),
  },
  concurrent: ["never"],
  policy: { restarts: { max: 2, withinMs: 60_000 } },
  create(ctx, { start }) {
    let count = start;
    const kept: unknown[] = [];
    return {
      attempt: async ({ what, arg }) => {
        try {
          return { done: await attempts[what](arg) };
        } catch (error) {
          return { failed: `${(error as Error).name}: ${(error as Error).message}` };
        }
      },
      add: ({ n }) => void (count += n),
      read: () => count,
      throw: () => {
        throw new Error("it broke");
      },
      refuse: () => {
        throw new OrreryError({
          group: "unruly",
          code: "no_wish",
          message: "it does not want to",
          metadata: { n: 1 },
        });
      },
      loop: () => {
        for (;;);
      },
      never: () => new Promise(() => {}),
      reject_later: () => void Promise.reject(new Error("nobody caught it")),
      fail_later: () =>
        void ctx.after(0, () => {
          throw new Error("its timer broke");
        }),
      hoard: async () => {
        for (;;) {
          kept.push(Array.from({ length: 100_000 }, (_, i) => ({ i })));
          await new Promise((resolve) => setTimeout(resolve, 0));
        }
      },
      answer: ({ kind }) =>
        kind === "large" ? "x".repeat(20_000) : kind === "function" ? () => 1 : undefined,
      large: ({ text }) => text.length,
      ask: ({ to, message, deadline }) => ctx.ask(to, message, { deadlineMs: deadline }),
      later: ({ to }) => void ctx.after(1, () => ctx.tell(to, { type: "add", n: 5 })),
      world: () => ({ self: ctx.self, now: ctx.now(), random: [ctx.random(), ctx.random()] }),
      stop: () => ctx.stop(),
      bye: ({ to }) => ctx.onStop(() => ctx.tell(to, { type: "bye", count })),
      save: ({ n }) => ctx.state.update((s) => ({ ...s, saved: s.saved + n })).saved,
      saved: async () => {
        await ctx.state.saved();
        return ctx.state.value.saved;
      },
      save_and_throw: () => {
        ctx.state.update((s) => ({ ...s, saved: 1000 }));
        throw new Error("it broke");
      },
      wake: ({ in: ms, note, name }) =>
        ctx.alarm(ctx.date() + ms, { type: "ring", note }, { name }),
      ring: ({ note }, { alarm }) =>
        void ctx.state.update((s) => ({ ...s, rung: [...s.rung, `${note} by ${alarm}`] })),
      kept: () => ({ ...ctx.state.value, alarms: ctx.alarms().map(({ name }) => name) }),
      unset: ({ name }) => ctx.cancelAlarm(name),
      set: ({ value }) => ctx.state.set(value as { saved: number; rung: string[] }),
      delta: ({ text }) => ({ text: `${text}${++count}` }),
      cancelled: async ({ to }, { signal }) => {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        await ctx.tell(to, { type: "add", n: 100 });
      },
    };
  },
});
