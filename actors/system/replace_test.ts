import assert from "node:assert/strict";
import { z } from "zod";
import { defineActor } from "./define.ts";
import { hasCode } from "./errors.ts";
import { directoryOf } from "./directory.ts";
import type { DurableStore, KeptActor } from "./durable.ts";
import { Simulation } from "./simulation.ts";

/** Keeps records in memory. */
function memoryStore(): DurableStore {
  const kept = new Map<string, KeptActor>();
  return {
    open: (to) =>
      Promise.resolve({
        kept: kept.get(to),
        save: (actor) => Promise.resolve(void kept.set(to, actor)),
      }),
    alarms: () => Promise.resolve([]),
  };
}

/** A counter of this version; `wait` answers after so many milliseconds. */
const counter = (version: number, policy: { activations?: number; idleMs?: number } = {}) =>
  defineActor({
    kind: "counter",
    config: z.object({}),
    state: z.object({ count: z.number() }).default({ count: 0 }),
    messages: { add: z.object({}), wait: z.object({ ms: z.number() }) },
    concurrent: ["wait"],
    policy,
    create: (ctx) => ({
      add: () => [version, ctx.state.update(({ count }) => ({ count: count + 1 })).count],
      async wait({ ms }) {
        await new Promise<void>((resolve) => simulation.clock.after(ms, resolve));
        return version;
      },
    }),
  });

let simulation: Simulation;

function nodeWith(policy?: Parameters<typeof counter>[1]) {
  simulation = new Simulation({ seed: 3 });
  const system = simulation.node("n", directoryOf(() => "n"));
  const durable = { store: memoryStore() };
  system.register(counter(1, policy), { config: {}, durable });
  const ask = (key: string, message: { type: string; ms?: number }) =>
    system.ask(`default/counter/${key}`, message, { deadlineMs: 60_000 });
  return { system, durable, ask };
}

Deno.test("ActorSystem.replace() answers what is handled by the old definition, the rest by the new one", async () => {
  const { system, durable, ask } = nodeWith();
  assert.deepEqual(await simulation.until(ask("a", { type: "add" })), [1, 1]);
  const order: unknown[] = [];
  const waiting = ask("a", { type: "wait", ms: 1_000 }).then((v) => void order.push(v));
  await simulation.run({ forMs: 10 });
  system.replace(counter(2), { config: {}, durable });
  const later = ask("a", { type: "add" }).then((v) => void order.push(v));
  const other = ask("b", { type: "add" }).then((v) => void order.push(v));
  await simulation.until(Promise.all([waiting, later, other]));
  assert.deepEqual(order, [[2, 1], 1, [2, 2]], "one activation of an address at a time");
});

Deno.test("ActorSystem.replace() lets those that it keeps go on until they end by themselves", async () => {
  const { system, durable, ask } = nodeWith();
  await simulation.until(ask("a", { type: "add" }));
  system.replace(counter(2), { config: {}, durable, keeps: (to) => to.endsWith("/a") });
  assert.deepEqual(await simulation.until(ask("a", { type: "add" })), [1, 2]);
  assert.deepEqual(await simulation.until(ask("b", { type: "add" })), [2, 1]);
  await simulation.until(system.stop("default/counter/a"));
  assert.deepEqual(await simulation.until(ask("a", { type: "add" })), [2, 3]);
});

Deno.test("ActorSystem.finish() ends all activations of a kind, and gives up when the signal says so", async () => {
  const { system, ask } = nodeWith();
  const waiting = ask("a", { type: "wait", ms: 1_000 });
  await simulation.run({ forMs: 10 });
  const late = new AbortController();
  const given = system.finish("counter", { signal: late.signal });
  late.abort(new Error("late"));
  await assert.rejects(given, /late/);
  const { signal } = new AbortController();
  const finished = system.finish("counter", { signal });
  assert.equal(await simulation.until(waiting), 1);
  await simulation.until(finished);
  assert.deepEqual(system.status(), []);
});

Deno.test("ActorSystem passivates the longest idle one where a kind has too many activations", async () => {
  const { system, ask } = nodeWith({ activations: 3 });
  for (const key of ["a", "b", "c", "a", "d"]) {
    await simulation.until(ask(key, { type: "add" }));
    await simulation.run({ forMs: 5 });
  }
  const active = () => system.status().map(({ address }) => address.split("/")[2]).sort();
  assert.deepEqual(active(), ["a", "c", "d"]);
  assert.deepEqual(await simulation.until(ask("b", { type: "add" })), [1, 2], "it kept its state");
  const waiting = ["x", "y", "z"].map((key) => ask(key, { type: "wait", ms: 1_000 }));
  await simulation.run({ forMs: 50 });
  await assert.rejects(
    simulation.until(ask("a", { type: "add" })),
    (error) => hasCode(error, "too_many_activations"),
  );
  await simulation.until(Promise.all(waiting));
  assert.deepEqual(await simulation.until(ask("a", { type: "add" })), [1, 3]);
});
