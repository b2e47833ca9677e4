import assert from "node:assert/strict";
import { z } from "zod";
import { A, recorderWorld } from "../../tests/support/recorder.ts";
import { anyNode, defineActor, directoryOf, hasCode, OrreryError, Simulation } from "./mod.ts";

Deno.test("Activation answers a typed error and keeps the actor's state", async () => {
  for (const from of [0, 1]) {
    const { sim, systems } = recorderWorld({ nodes: ["n1", "n2"] });
    await sim.until(systems[from].tell(A, { type: "put", n: 1 }));
    await assert.rejects(
      sim.until(systems[from].ask(A, { type: "refuse" })),
      (e) => hasCode(e, "refused") && e.metadata.why === 1,
    );
    assert.deepEqual(await sim.until(systems[from].ask(A, { type: "read" })), [1]);
  }
});

Deno.test("Activation restarts the actor after a crash, and refuses messages for a while after too many", async () => {
  const { sim, systems: [one] } = recorderWorld();
  await sim.until(one.tell(A, { type: "put", n: 1 }));
  await assert.rejects(sim.until(one.ask(A, { type: "crash" })), (e) => hasCode(e, "internal"));
  assert.deepEqual(await sim.until(one.ask(A, { type: "read" })), []);
  await assert.rejects(sim.until(one.ask(A, { type: "crash" })));
  await assert.rejects(sim.until(one.ask(A, { type: "crash" })));
  await assert.rejects(sim.until(one.ask(A, { type: "read" })), (e) => hasCode(e, "actor_failed"));
  await sim.run({ forMs: 1_100 });
  assert.deepEqual(await sim.until(one.ask(A, { type: "read" })), []);
});

Deno.test("Activation passivates an idle actor, unless it objects, and the next message activates it again", async () => {
  let lives = 0;
  let stopped = 0;
  let mayStop = false;
  const sleepy = defineActor({
    kind: "sleepy",
    config: z.object({}),
    messages: { hello: z.object({}) },
    policy: { idleMs: 100 },
    create(ctx) {
      lives++;
      ctx.onStop(() => void stopped++);
      ctx.onIdle(() => mayStop);
      return { hello: () => lives };
    },
  });
  const { sim, systems: [one] } = recorderWorld();
  one.register(sleepy, { config: {} });
  assert.equal(await sim.until(one.ask("t/sleepy/a", { type: "hello" })), 1);
  await sim.run({ forMs: 350 });
  assert.equal(await sim.until(one.ask("t/sleepy/a", { type: "hello" })), 1);
  mayStop = true;
  await sim.run({ forMs: 350 });
  assert.equal(stopped, 1);
  assert.deepEqual(one.status(), []);
  assert.equal(await sim.until(one.ask("t/sleepy/a", { type: "hello" })), 2);
});

Deno.test("Activation begins only with a message of activatedBy, where that is given", async () => {
  const shy = defineActor({
    kind: "shy",
    config: z.object({}),
    messages: { begin: z.object({}), more: z.object({}) },
    activatedBy: ["begin"],
    create: (ctx) => ({ begin: () => "up", more: () => ctx.stop() }),
  });
  const { sim, systems: [one] } = recorderWorld();
  one.register(shy, { config: {} });
  await assert.rejects(
    sim.until(one.ask("t/shy/a", { type: "more" })),
    (e) => hasCode(e, "not_active"),
  );
  assert.equal(await sim.until(one.ask("t/shy/a", { type: "begin" })), "up");
  await sim.until(one.ask("t/shy/a", { type: "more" }));
  await sim.run({ forMs: 1 });
  await assert.rejects(
    sim.until(one.ask("t/shy/a", { type: "more" })),
    (e) => hasCode(e, "not_active"),
  );
});

Deno.test("Activation that ends leaves to the next one a message of activatedBy and all that follow it", async () => {
  let sim: Simulation;
  const lives: string[][] = [];
  const shy = defineActor({
    kind: "shy",
    config: z.object({}),
    messages: { begin: z.object({}), more: z.object({ n: z.number() }), end: z.object({}) },
    callers: anyNode,
    activatedBy: ["begin"],
    create(ctx) {
      const life: string[] = [];
      lives.push(life);
      ctx.onStop(() => new Promise<void>((resolve) => void sim.clock.after(100, resolve)));
      return {
        begin: () => void life.push("begin"),
        more: ({ n }) => void life.push(`more ${n}`),
        end: () => ctx.stop(),
      };
    },
  });
  for (const from of [0, 1]) {
    const { sim: simulation, systems } = recorderWorld({ nodes: ["n1", "n2"] });
    sim = simulation;
    for (const system of systems) system.register(shy, { config: {} });
    lives.length = 0;
    for (const type of ["begin", "end"]) await sim.until(systems[from].tell("t/shy/a", { type }));
    await sim.run({ forMs: 10 });
    const late = [{ type: "more", n: 0 }, { type: "begin" }, { type: "more", n: 1 }, {
      type: "more",
      n: 2,
    }];
    for (const message of late) await sim.until(systems[from].tell("t/shy/a", message));
    await sim.run({ forMs: 1_000 });
    assert.deepEqual(lives, [["begin"], ["begin", "more 1", "more 2"]]);
    const { last } = systems[0].deadLetters();
    assert.deepEqual(last.map(({ type, error }) => [type, error.code]), [["more", "not_active"]]);
  }
});

Deno.test("Activation refuses with the error of create(), and the next message tries again", async () => {
  let works = false;
  const moody = defineActor({
    kind: "moody",
    config: z.object({}),
    messages: { hello: z.object({}) },
    create() {
      if (!works) throw new OrreryError({ group: "test", code: "no_room", message: "no room" });
      return { hello: () => "hello" };
    },
  });
  const { sim, systems: [one] } = recorderWorld();
  one.register(moody, { config: {} });
  for (let i = 0; i < 10; i++) {
    await assert.rejects(
      sim.until(one.ask("t/moody/a", { type: "hello" })),
      (e) => hasCode(e, "no_room"),
    );
  }
  assert.deepEqual(one.status(), []);
  works = true;
  assert.equal(await sim.until(one.ask("t/moody/a", { type: "hello" })), "hello");
});

Deno.test("Activation runs a concurrent message's handler beside the others, and does not passivate meanwhile", async () => {
  let stopped = false;
  const busy = defineActor({
    kind: "busy",
    config: z.object({}),
    messages: { long: z.object({ ms: z.number() }), quick: z.object({}), fail: z.object({}) },
    concurrent: ["long", "fail"],
    policy: { idleMs: 50 },
    create(ctx) {
      ctx.onStop(() => void (stopped = true));
      return {
        long: ({ ms }) => new Promise((resolve) => sim.clock.after(ms, () => resolve("long"))),
        quick: () => "quick",
        fail: () => Promise.reject(new Error("a bug")),
      };
    },
  });
  const { sim, systems: [one] } = recorderWorld();
  one.register(busy, { config: {} });
  const long = one.ask("t/busy/a", { type: "long", ms: 1_000 });
  await sim.run({ forMs: 10 });
  assert.equal(await sim.until(one.ask("t/busy/a", { type: "quick" })), "quick");
  await sim.run({ forMs: 500 });
  assert.equal(stopped, false);
  assert.equal(await sim.until(long), "long");
  await sim.run({ forMs: 200 });
  assert.equal(stopped, true);
  await assert.rejects(
    sim.until(one.ask("t/busy/a", { type: "fail" })),
    (e) => hasCode(e, "internal"),
  );
  assert.equal(await sim.until(one.ask("t/busy/a", { type: "quick" })), "quick");
});

Deno.test("ActorContext.after() does not run for the behaviour that follows a crash", async () => {
  const sim = new Simulation({ seed: 1 });
  const system = sim.node("n1", directoryOf(() => "n1"));
  const ran: number[] = [];
  let lives = 0;
  system.register(
    defineActor({
      kind: "mortal",
      config: z.object({}),
      messages: { crash: z.object({}) },
      create(ctx) {
        const life = ++lives;
        ctx.after(5, () => void ran.push(life));
        return {
          crash: async () => {
            await new Promise<void>((resolve) => sim.clock.after(10, resolve));
            throw new Error("a bug");
          },
        };
      },
    }),
    { config: {} },
  );
  await sim.until(system.tell("t/mortal/a", { type: "crash" }));
  await sim.run({ forMs: 100 });
  assert.equal(ran.includes(1), false);
});

Deno.test("ActorContext.after() does not run what is cancelled while its turn waits", async () => {
  const sim = new Simulation({ seed: 1 });
  const system = sim.node("n1", directoryOf(() => "n1"));
  const ran: string[] = [];
  system.register(
    defineActor({
      kind: "busy",
      config: z.object({}),
      messages: { work: z.object({}) },
      create: (ctx) => ({
        async work() {
          const cancel = ctx.after(5, () => void ran.push("cancelled"));
          ctx.after(5, () => void ran.push("kept"));
          await new Promise<void>((resolve) => sim.clock.after(10, resolve));
          cancel(); // both are due, and wait for the end of this turn
        },
      }),
    }),
    { config: {} },
  );
  await sim.until(system.ask("t/busy/a", { type: "work" }));
  await sim.run({ forMs: 100 });
  assert.deepEqual(ran, ["kept"]);
});
