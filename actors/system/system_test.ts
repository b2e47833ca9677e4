import assert from "node:assert/strict";
import { z } from "zod";
import {
  type Address,
  defineActor,
  directoryOf,
  hasCode,
  OrreryError,
  Simulation,
} from "../mod.ts";

/** Records what it gets; can be told to wait, to throw, to answer. */
const recorder = defineActor({
  kind: "recorder",
  config: z.object({ idleMs: z.number().optional() }),
  messages: {
    put: z.object({ n: z.number() }),
    slow: z.object({ ms: z.number() }),
    crash: z.object({}),
    refuse: z.object({}),
    read: z.object({}),
    urgent: z.object({}),
  },
  urgent: ["urgent"],
  policy: { mailbox: 4, restarts: { max: 2, withinMs: 1_000 } },
  create(ctx) {
    const seen: (number | string)[] = [];
    return {
      put: ({ n }) => void seen.push(n),
      slow: ({ ms }, meta) =>
        new Promise((resolve, reject) => {
          ctx.after(ms, () => {}); // keeps virtual time going
          const cancel = setTimeoutOn(ctx, ms, () => resolve("done"));
          meta.signal.addEventListener("abort", () => {
            cancel();
            seen.push("aborted");
            reject(meta.signal.reason);
          });
        }),
      crash: () => {
        throw new Error("a bug");
      },
      refuse: () => {
        throw new OrreryError({
          group: "test",
          code: "refused",
          message: "no",
          metadata: { why: 1 },
        });
      },
      read: () => seen,
      urgent: () => void seen.push("urgent"),
    };
  },
});

let clockOf: Simulation;
function setTimeoutOn(_ctx: unknown, ms: number, fn: () => void): () => void {
  return clockOf.clock.after(ms, fn);
}

const A = "t/recorder/a" as Address;

function world(options: { nodes?: string[]; place?: (a: string) => string; seed?: number } = {}) {
  const sim = new Simulation({ seed: options.seed ?? 1 });
  clockOf = sim;
  const directory = directoryOf(options.place ?? (() => "n1"));
  const systems = (options.nodes ?? ["n1"]).map((n) => {
    const system = sim.node(n, directory);
    system.register(recorder, { config: {} });
    return system;
  });
  return { sim, systems };
}

Deno.test("ActorSystem.tell() keeps the order of one sender on every seed", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const { sim, systems: [one, two] } = world({ nodes: ["n1", "n2"], seed });
    const sends = [];
    for (let n = 0; n < 100; n++) sends.push(two.tell(A, { type: "put", n }));
    await sim.until(Promise.all(sends));
    const seen = await sim.until(one.ask(A, { type: "read" }));
    await sim.until(two.ask(A, { type: "read" }));
    assert.deepEqual((seen as number[]).every((n, i) => n === i), true);
    assert.deepEqual(
      await sim.until(two.ask(A, { type: "read" })),
      Array.from({ length: 100 }, (_, i) => i),
    );
  }
});

Deno.test("ActorSystem.tell() waits while the mailbox is full, locally and remotely", async () => {
  for (const from of ["n1", "n2"]) {
    const { sim, systems } = world({ nodes: ["n1", "n2"] });
    const sender = systems[from === "n1" ? 0 : 1];
    const slow = sender.ask(A, { type: "slow", ms: 1000 });
    await sim.run({ forMs: 50 });
    let accepted = 0;
    const sends = Array.from(
      { length: 200 },
      (_, n) => sender.tell(A, { type: "put", n }).then(() => accepted++),
    );
    await sim.run({ forMs: 500 });
    assert.ok(accepted < 64, `${accepted} of 200 accepted while the actor was busy`);
    await sim.until(Promise.all([slow, ...sends]));
    assert.equal((await sim.until(sender.ask(A, { type: "read" })) as unknown[]).length, 200);
    assert.ok(sender.openChannels <= 1);
  }
});

Deno.test("ActorSystem.tell() gives its wait up when the signal says so", async () => {
  for (const from of [0, 1]) {
    const { sim, systems } = world({ nodes: ["n1", "n2"] });
    void systems[from].ask(A, { type: "slow", ms: 1000 });
    await sim.run({ forMs: 10 });
    const abort = new AbortController();
    const sends = Array.from(
      { length: 100 },
      (_, n) => systems[from].tell(A, { type: "put", n }, { signal: abort.signal }),
    );
    const results = Promise.allSettled(sends);
    await sim.run({ forMs: 10 });
    abort.abort(new Error("enough"));
    const settled = await sim.until(results);
    const rejected = settled.filter((r) => r.status === "rejected").length;
    assert.ok(rejected > 30, `${rejected} of 100 gave up`);
    const seen = await sim.until(systems[from].ask(A, { type: "read" })) as number[];
    assert.equal(seen.length, 100 - rejected);
  }
});

Deno.test("ActorSystem.ask() ends at its deadline and aborts the handler", async () => {
  for (const from of [0, 1]) {
    const { sim, systems } = world({ nodes: ["n1", "n2"] });
    const ask = systems[from].ask(A, { type: "slow", ms: 5000 }, { deadlineMs: 100 });
    await assert.rejects(sim.until(ask), (e) => hasCode(e, "deadline_exceeded"));
    assert.deepEqual(await sim.until(systems[from].ask(A, { type: "read" })), ["aborted"]);
  }
});

Deno.test("ActorSystem.ask() carries cancellation to the handler", async () => {
  for (const from of [0, 1]) {
    const { sim, systems } = world({ nodes: ["n1", "n2"] });
    const abort = new AbortController();
    const ask = systems[from].ask(A, { type: "slow", ms: 5000 }, { signal: abort.signal });
    const abortQueued = new AbortController();
    const queued = systems[from].ask(A, { type: "put", n: 7 }, { signal: abortQueued.signal });
    queued.catch(() => {});
    await sim.run({ forMs: 50 });
    abortQueued.abort(new Error("changed my mind"));
    await sim.run({ forMs: 50 });
    abort.abort(new Error("changed my mind"));
    await assert.rejects(sim.until(ask), /changed my mind/);
    await assert.rejects(sim.until(queued), /changed my mind/);
    assert.deepEqual(await sim.until(systems[from].ask(A, { type: "read" })), ["aborted"]);
    assert.equal(systems[0].deadLetters().total >= 1, true);
  }
});

Deno.test("An actor's typed error reaches the asker and does not restart the actor", async () => {
  for (const from of [0, 1]) {
    const { sim, systems } = world({ nodes: ["n1", "n2"] });
    await sim.until(systems[from].tell(A, { type: "put", n: 1 }));
    await assert.rejects(
      sim.until(systems[from].ask(A, { type: "refuse" })),
      (e) => hasCode(e, "refused") && e.metadata.why === 1,
    );
    assert.deepEqual(await sim.until(systems[from].ask(A, { type: "read" })), [1]);
  }
});

Deno.test("A crash restarts the actor, is shown as internal, and too many make it fail for a while", async () => {
  const { sim, systems: [one] } = world();
  await sim.until(one.tell(A, { type: "put", n: 1 }));
  await assert.rejects(sim.until(one.ask(A, { type: "crash" })), (e) => hasCode(e, "internal"));
  assert.deepEqual(await sim.until(one.ask(A, { type: "read" })), []);
  await assert.rejects(sim.until(one.ask(A, { type: "crash" })));
  await assert.rejects(sim.until(one.ask(A, { type: "crash" })));
  await assert.rejects(sim.until(one.ask(A, { type: "read" })), (e) => hasCode(e, "actor_failed"));
  await sim.run({ forMs: 1_100 });
  assert.deepEqual(await sim.until(one.ask(A, { type: "read" })), []);
});

Deno.test("A crash's details do not cross to another node", async () => {
  const { sim, systems: [, two] } = world({ nodes: ["n1", "n2"] });
  await assert.rejects(
    sim.until(two.ask(A, { type: "crash" })),
    (e) => hasCode(e, "internal") && !e.message.includes("a bug"),
  );
});

Deno.test("Urgent messages overtake queued ones and need no credit", async () => {
  for (const from of [0, 1]) {
    const { sim, systems } = world({ nodes: ["n1", "n2"] });
    void systems[from].ask(A, { type: "slow", ms: 100 });
    await sim.run({ forMs: 10 });
    const sends = Array.from({ length: 80 }, (_, n) => systems[from].tell(A, { type: "put", n }));
    await sim.run({ forMs: 10 });
    await sim.until(systems[from].tell(A, { type: "urgent" }));
    await sim.until(Promise.all(sends));
    const seen = await sim.until(systems[from].ask(A, { type: "read" })) as unknown[];
    assert.equal(seen[0], "urgent");
  }
});

Deno.test("What nobody can handle is refused with a reason and is a dead letter", async () => {
  const { sim, systems: [one, two] } = world({ nodes: ["n1", "n2"] });
  for (
    const [message, code] of [[{ type: "nothing" }, "unknown_message"], [
      { type: "put", n: "x" },
      "invalid_message",
    ]] as const
  ) {
    await assert.rejects(sim.until(one.tell(A, message)), (e) => hasCode(e, code));
    const before = one.deadLetters().total;
    await sim.until(two.tell(A, message)); // accepted by the link; refused at the other end
    await sim.run({ forMs: 100 });
    assert.equal(one.deadLetters().total, before + 1);
    assert.ok(two.deadLetters().last.some((l) => hasCode(l.error, code) && l.to === A));
    await assert.rejects(sim.until(two.ask(A, message)), (e) => hasCode(e, code));
  }
  await assert.rejects(
    sim.until(two.ask("t/stranger/a", { type: "put" })),
    (e) => hasCode(e, "unknown_kind"),
  );
  await assert.rejects(
    two.ask("no address", { type: "put" }),
    (e) => hasCode(e, "invalid_address"),
  );
});

Deno.test("A lost peer fails what waits for it", async () => {
  const { sim, systems: [, two] } = world({ nodes: ["n1", "n2"] });
  const ask = two.ask(A, { type: "slow", ms: 60_000 }, { deadlineMs: 120_000 });
  await sim.run({ forMs: 10 });
  const sends = Promise.allSettled(
    Array.from({ length: 50 }, (_, n) => two.tell(A, { type: "put", n })),
  );
  await sim.run({ forMs: 10 });
  sim.crash("n1");
  await assert.rejects(sim.until(ask), (e) => hasCode(e, "peer_lost"));
  assert.ok(
    (await sim.until(sends)).some((r) => r.status === "rejected" && hasCode(r.reason, "peer_lost")),
  );
});

Deno.test("An idle actor is passivated and comes back with its next message, unless it objects", async () => {
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
  const { sim, systems: [one] } = world();
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

Deno.test("Only the messages that may do so activate an actor", async () => {
  const shy = defineActor({
    kind: "shy",
    config: z.object({}),
    messages: { begin: z.object({}), more: z.object({}) },
    activatedBy: ["begin"],
    create: (ctx) => ({ begin: () => "up", more: () => ctx.stop() }),
  });
  const { sim, systems: [one] } = world();
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

Deno.test("A message with an older epoch is refused and a newer one replaces the activation", async () => {
  let epoch = 2;
  const sim = new Simulation({ seed: 3 });
  clockOf = sim;
  const directory = { resolve: () => ({ node: "n1", epoch }) };
  const [one, two] = ["n1", "n2"].map((n) => {
    const s = sim.node(n, directory);
    s.register(recorder, { config: {} });
    return s;
  });
  await sim.until(one.tell(A, { type: "put", n: 1 }));
  epoch = 1;
  await assert.rejects(
    sim.until(one.tell(A, { type: "put", n: 2 })),
    (e) => hasCode(e, "stale_epoch"),
  );
  // A remote asker learns it too, once: the system does not send the message again by itself.
  await assert.rejects(sim.until(two.ask(A, { type: "read" })), (e) => hasCode(e, "stale_epoch"));
  epoch = 3;
  assert.deepEqual(await sim.until(two.ask(A, { type: "read" })), [], "a fresh activation");
});

Deno.test("An inbox makes its senders wait and refuses after it is closed", async () => {
  const { sim, systems: [one] } = world();
  const inbox = one.inbox("t/client/x" as Address, { capacity: 2 });
  let accepted = 0;
  const sends = Array.from(
    { length: 5 },
    (_, n) => one.tell(inbox.address, { type: "put", n }).then(() => accepted++),
  );
  await sim.run({ forMs: 1 });
  assert.equal(accepted, 2);
  assert.deepEqual((await inbox.next())?.body, { n: 0 });
  await sim.run({ forMs: 1 });
  assert.equal(accepted, 3);
  inbox.close();
  await sim.until(Promise.allSettled(sends));
  assert.equal(await inbox.next(), undefined);
  await assert.rejects(
    sim.until(one.tell(inbox.address, { type: "put", n: 9 })),
    (e) => hasCode(e, "unknown_kind"),
  );
});

Deno.test("The same seed gives the same run, another seed another", async () => {
  const trace = async (seed: number) => {
    const { sim, systems } = world({
      nodes: ["n1", "n2", "n3"],
      place: (a) => a.endsWith("a") ? "n1" : "n2",
      seed,
    });
    const sends = [];
    for (let n = 0; n < 30; n++) {
      sends.push(systems[n % 3].tell(n % 2 ? A : "t/recorder/b", { type: "put", n }));
    }
    await sim.until(Promise.all(sends));
    await sim.run({ forMs: 1000 });
    const a = await sim.until(systems[0].ask(A, { type: "read" }));
    const b = await sim.until(systems[0].ask("t/recorder/b", { type: "read" }));
    return JSON.stringify([a, b, sim.steps, sim.clock.now()]);
  };
  assert.equal(await trace(5), await trace(5));
  assert.notEqual(await trace(5), await trace(6));
});

Deno.test("An actor that cannot start refuses with its typed reason and is tried anew by the next message", async () => {
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
  const { sim, systems: [one] } = world();
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

Deno.test("A concurrent message's handler runs beside the others, and keeps the actor from being passivated", async () => {
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
        long: ({ ms }) => new Promise((resolve) => clockOf.clock.after(ms, () => resolve("long"))),
        quick: () => "quick",
        fail: () => Promise.reject(new Error("a bug")),
      };
    },
  });
  const { sim, systems: [one] } = world();
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

Deno.test("A refused message leaves neither an activation nor an open channel behind", async () => {
  const { sim, systems: [one, two] } = world({ nodes: ["n1", "n2"] });
  for (let i = 0; i < 20; i++) {
    await sim.until(two.tell(`t/recorder/x${i}`, { type: "put", n: "no number" }));
  }
  await sim.run({ forMs: 100 });
  assert.equal(one.deadLetters().total, 20);
  assert.deepEqual(one.status(), []);
  assert.equal(two.openChannels, 0);
});

Deno.test("An ask that is given up while its receiver is looked for is not handled", async () => {
  const sim = new Simulation({ seed: 1 });
  const system = sim.node("n1", {
    resolve: () =>
      new Promise((found) => sim.clock.after(10, () => found({ node: "n1", epoch: 1 }))),
  });
  system.register(recorder, { config: {} });
  const ask = system.ask(A, { type: "urgent" }, { deadlineMs: 5 });
  await assert.rejects(sim.until(ask), (e) => hasCode(e, "deadline_exceeded"));
  await sim.run({ forMs: 100 });
  assert.deepEqual(system.status(), []);
});

Deno.test("A tell's deadline ends its wait for a place and for credit", async () => {
  const { sim, systems: [one, two] } = world({ nodes: ["n1", "n2"] });
  void one.ask(A, { type: "slow", ms: 1_000 });
  await sim.run({ forMs: 5 });
  for (let n = 0; n < 32; n++) await sim.until(two.tell(A, { type: "put", n }));
  await sim.run({ forMs: 10 });
  for (const system of [one, two]) {
    const waiting = system.tell(A, { type: "put", n: 99 }, { deadlineMs: 10 });
    await assert.rejects(
      sim.until(waiting, { forMs: 100 }),
      (e) => hasCode(e, "deadline_exceeded"),
    );
  }
  await sim.run({ forMs: 2_000 });
  const seen = await sim.until(one.ask(A, { type: "read" })) as unknown[];
  assert.equal(seen.includes(99), false);
});

Deno.test("A timer that fired while its behaviour crashed does not run for the next one", async () => {
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
