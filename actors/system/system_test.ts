import assert from "node:assert/strict";
import { A, recorder, recorderWorld } from "../../tests/support/recorder.ts";
import { hasCode, Simulation } from "./mod.ts";

Deno.test("ActorSystem.tell() keeps the order of one sender on every seed", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const { sim, systems: [one, two] } = recorderWorld({ nodes: ["n1", "n2"], seed });
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
    const { sim, systems } = recorderWorld({ nodes: ["n1", "n2"] });
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
    const { sim, systems } = recorderWorld({ nodes: ["n1", "n2"] });
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
    const { sim, systems } = recorderWorld({ nodes: ["n1", "n2"] });
    const ask = systems[from].ask(A, { type: "slow", ms: 5000 }, { deadlineMs: 100 });
    await assert.rejects(sim.until(ask), (e) => hasCode(e, "deadline_exceeded"));
    assert.deepEqual(await sim.until(systems[from].ask(A, { type: "read" })), ["aborted"]);
  }
});

Deno.test("ActorSystem.ask() carries cancellation to the handler", async () => {
  for (const from of [0, 1]) {
    const { sim, systems } = recorderWorld({ nodes: ["n1", "n2"] });
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

Deno.test("ActorSystem.tell() lets urgent messages overtake queued ones, without credit", async () => {
  for (const from of [0, 1]) {
    const { sim, systems } = recorderWorld({ nodes: ["n1", "n2"] });
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

Deno.test("ActorSystem.deadLetters() counts what nobody can handle, and the sender is told why", async () => {
  const { sim, systems: [one, two] } = recorderWorld({ nodes: ["n1", "n2"] });
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

Deno.test("ActorSystem.ask() fails with peer_lost when the asked node is gone", async () => {
  const { sim, systems: [, two] } = recorderWorld({ nodes: ["n1", "n2"] });
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

Deno.test("ActorSystem.tell() refuses an older epoch, and a newer one replaces the activation", async () => {
  let epoch = 2;
  const sim = new Simulation({ seed: 3 });
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

Deno.test("ActorSystem.tell() leaves neither an activation nor a channel behind when it is refused", async () => {
  const { sim, systems: [one, two] } = recorderWorld({ nodes: ["n1", "n2"] });
  for (let i = 0; i < 20; i++) {
    await sim.until(two.tell(`t/recorder/x${i}`, { type: "put", n: "no number" }));
  }
  await sim.run({ forMs: 100 });
  assert.equal(one.deadLetters().total, 20);
  assert.deepEqual(one.status(), []);
  assert.equal(two.openChannels, 0);
});

Deno.test("ActorSystem.ask() is not handled when it is given up while the directory resolves", async () => {
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

Deno.test("ActorSystem.tell() ends its wait for a place, or for credit, at the deadline", async () => {
  const { sim, systems: [one, two] } = recorderWorld({ nodes: ["n1", "n2"] });
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

Deno.test("ActorSystem.ended() waits until an actor has ended, or for as long as the signal allows", async () => {
  const { sim, systems: [one] } = recorderWorld();
  await sim.until(one.ended(A));
  await sim.until(one.tell(A, { type: "put", n: 1 }));
  const enough = new AbortController();
  const given = assert.rejects(one.ended(A, { signal: enough.signal }), /enough/);
  let ended = false;
  const waiting = one.ended(A).then(() => ended = true);
  await sim.run({ forMs: 1_000 });
  enough.abort(new Error("enough"));
  await sim.until(given);
  assert.equal(ended, false);
  await sim.until(one.stop(A));
  await sim.until(waiting);
});
