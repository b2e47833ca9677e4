import assert from "node:assert/strict";
import { seededRandom, Simulation } from "../system/mod.ts";
import { CoordinatorWatch } from "./coordinator_watch.ts";
import type { HealthChange, Reach, WatchWorld } from "./health.ts";
import { NodeWatch } from "./node_watch.ts";

/** A world of which a test says who answers whom, in virtual time. */
function world() {
  const sim = new Simulation({ seed: 1 });
  const changes: (HealthChange & { at: number })[] = [];
  const given = {
    /** Nodes that answer pings of this one, each after so many milliseconds. */
    answers: new Map<string, number>(),
    refused: new Set<string>(),
    /** What other nodes say about any node, by the node that says it; `away`: they do not answer. */
    votes: new Map<string, Reach | "away">(),
    silentMs: undefined as number | undefined,
    /** Milliseconds after which a vote arrives. */
    wayMs: 2,
    /** Answers of other nodes that are lost before one arrives. */
    lost: 0,
    asked: 0,
    pings: 0,
  };
  const within = <T>(ms: number | undefined, deadlineMs: number, value: T) =>
    new Promise<T>((resolve, reject) => {
      const late = ms === undefined || ms > deadlineMs;
      sim.clock.after(
        late ? deadlineMs : ms,
        () => late ? reject(new Error("late")) : resolve(value),
      );
    });
  const watchWorld: WatchWorld = {
    self: "me",
    now: () => sim.clock.now(),
    after: (ms, fn) => sim.clock.after(ms, fn),
    random: seededRandom(1),
    silentMs: () => given.silentMs,
    ping: (node, deadlineMs) => {
      given.pings++;
      return within(given.answers.get(node), deadlineMs, undefined);
    },
    refuses: (node) => within(1, 10, given.refused.has(node)),
    reach: (voter, _node, deadlineMs) => {
      given.asked++;
      const vote = given.votes.get(voter);
      if (given.lost-- > 0) return Promise.reject(new Error("lost"));
      if (vote === "silent") return within(deadlineMs, deadlineMs, vote);
      const ms = vote && vote !== "away" ? given.wayMs : undefined;
      return within(ms, 2 * deadlineMs, vote as Reach);
    },
    voters: (node) => [...given.votes.keys()].filter((voter) => voter !== node),
    changed: (change) => void changes.push({ ...change, at: sim.clock.now() }),
  };
  const states = () => changes.map(({ to }) => to);
  return { sim, given, watchWorld, changes, states };
}

/** A node that is watched and has answered for ten seconds. */
async function watched() {
  const w = world();
  const watch = new NodeWatch(w.watchWorld);
  w.given.answers.set("a", 2);
  watch.add("a");
  await w.sim.run({ forMs: 10_000 });
  assert.deepEqual(w.states(), []);
  return { ...w, watch };
}

Deno.test("NodeWatch takes a node for dead after a silence, when nobody reaches it", async () => {
  const { sim, given, watch, changes, states } = await watched();
  given.answers.delete("a");
  given.votes.set("v", "silent");
  await sim.run({ forMs: 4_000 });
  assert.deepEqual(states(), ["suspect"]);
  assert.equal(watch.health("a")?.state, "suspect");
  await sim.run({ forMs: 4_000 });
  assert.deepEqual(states(), ["suspect", "dead"]);
  const after = changes[1].at - 10_000;
  assert.ok(after >= 4_500 && after < 7_500, `${after} ms`);
  assert.equal(watch.health("a"), undefined);
  await sim.run({ forMs: 60_000 });
  assert.equal(states().length, 2, "it is no longer watched");
});

Deno.test("NodeWatch waits longer where none of the others answers: its own link may be the fault", async () => {
  const { sim, given, changes, states } = await watched();
  given.answers.delete("a");
  given.votes.set("v", "away").set("w", "away");
  await sim.run({ forMs: 30_000 });
  assert.deepEqual(states(), ["suspect", "dead"]);
  const after = changes[1].at - 10_000;
  assert.ok(after >= 9_500 && after < 13_000, `${after} ms`);
});

Deno.test("NodeWatch does not take a node for dead that another one reaches", async () => {
  const { sim, given, watch, states } = await watched();
  given.answers.delete("a");
  given.votes.set("v", "silent").set("w", "reached");
  await sim.run({ forMs: 120_000 });
  assert.deepEqual(states(), ["suspect", "bad_link"]);
  assert.deepEqual(watch.health("a")?.link, { from: "me", to: "a" });
  assert.match(watch.health("a")!.why, /node me does not reach it, node w does/);
  given.answers.set("a", 2);
  await sim.run({ forMs: 12_000 });
  assert.deepEqual(states(), ["suspect", "bad_link", "back"]);
  await sim.run({ forMs: 61_000 });
  assert.equal(watch.health("a")?.state, "alive");
});

Deno.test("NodeWatch takes a node for dead whose link was bad, when the others lose it too", async () => {
  const { sim, given, states } = await watched();
  given.answers.delete("a");
  given.votes.set("w", "reached");
  await sim.run({ forMs: 60_000 });
  given.votes.set("w", "refused");
  await sim.run({ forMs: 10_000 });
  assert.deepEqual(states(), ["suspect", "bad_link", "suspect", "dead"]);
});

Deno.test("NodeWatch counts a vote that comes after its round, and asks again where one is lost", async () => {
  for (const change of [{ wayMs: 4_500 }, { lost: 9 }]) {
    const { sim, given, states } = await watched();
    given.answers.delete("a");
    given.votes.set("w", "reached");
    Object.assign(given, change);
    await sim.run({ forMs: 60_000 });
    assert.deepEqual(states(), ["suspect", "bad_link"], JSON.stringify(change));
  }
});

Deno.test("NodeWatch concludes nothing from a round that ended late, since it stood still", async () => {
  const { sim, given, watchWorld, states } = world();
  let stoodMs = 0;
  const watch = new NodeWatch({ ...watchWorld, now: () => sim.clock.now() + stoodMs });
  watch.add("a");
  given.votes.set("w", "reached");
  await sim.run({ forMs: 20_000 });
  assert.deepEqual(states(), ["suspect", "bad_link"]);
  given.votes.set("w", "away");
  await sim.run({ forMs: 2_000 });
  stoodMs = 20_000; // its last question is not answered, or nobody has read the answer
  given.votes.set("w", "reached");
  await sim.run({ forMs: 20_000 });
  assert.deepEqual(states(), ["suspect", "bad_link"]);
});

Deno.test("NodeWatch.broke() needs two refusals from two nodes, and is quick then", async () => {
  const { sim, given, watch, changes, states } = await watched();
  given.answers.delete("a");
  given.refused.add("a");
  given.votes.set("v", "silent").set("w", "refused");
  watch.broke("a");
  await sim.run({ forMs: 50 });
  assert.deepEqual(states(), ["dead"]);
  assert.match(changes[0].why, /refuses connections at its address, here and at node w/);
});

Deno.test("NodeWatch.broke() changes nothing where the node is there", async () => {
  const { sim, given, watch, states } = await watched();
  given.votes.set("v", "reached");
  watch.broke("a");
  await sim.run({ forMs: 5_000 });
  given.refused.add("a"); // something refuses for it, and others reach it
  given.answers.delete("a");
  watch.broke("a");
  await sim.run({ forMs: 60_000 });
  assert.deepEqual(states(), ["suspect", "bad_link"]);
});

Deno.test("NodeWatch.broke() believes three refusals here where there is nobody else", async () => {
  const { sim, given, watch, changes, states } = await watched();
  given.answers.delete("a");
  watch.broke("a");
  await sim.run({ forMs: 100 });
  given.refused.add("a"); // its port closes a little after its connections
  await sim.run({ forMs: 1_000 });
  assert.deepEqual(states(), ["dead"]);
  assert.ok(changes[0].at - 10_000 < 1_000);
});

Deno.test("NodeWatch pings where nothing else comes, and now and then besides", async () => {
  const { sim, given } = await watched();
  const before = given.pings;
  given.silentMs = 5;
  await sim.run({ forMs: 10_000 });
  assert.ok(given.pings - before <= 6, `${given.pings - before} pings beside traffic`);
  given.silentMs = undefined;
  const quiet = given.pings;
  await sim.run({ forMs: 10_000 });
  assert.ok(given.pings - quiet >= 12, `${given.pings - quiet} pings without traffic`);
});

Deno.test("NodeWatch asks a bounded number of nodes at a time", async () => {
  const { sim, given } = await watched();
  for (let i = 0; i < 20; i++) given.votes.set(`v${i}`, "silent");
  given.answers.delete("a");
  await sim.run({ forMs: 2_000 });
  assert.equal(given.asked, 3);
});

Deno.test("CoordinatorWatch asks whether it is listed when no pings come", async () => {
  const w = world();
  const lost: string[] = [];
  let listed: boolean | undefined = true;
  let questions = 0;
  const watch = new CoordinatorWatch({
    ...w.watchWorld,
    isListed: () => {
      questions++;
      return listed === undefined ? Promise.reject(new Error("late")) : Promise.resolve(listed);
    },
    lost: (why) => void lost.push(why),
  });
  w.given.answers.set("a", 2);
  watch.follow("a");
  for (let s = 0; s < 10; s++) {
    watch.pinged("a");
    await w.sim.run({ forMs: 1_000 });
  }
  assert.equal(questions, 0);
  watch.pinged("b"); // not the node that it follows
  await w.sim.run({ forMs: 8_000 });
  assert.ok(questions > 0);
  listed = undefined;
  await w.sim.run({ forMs: 8_000 });
  assert.deepEqual(lost, []);
  listed = false;
  await w.sim.run({ forMs: 8_000 });
  assert.deepEqual(lost, ["the first node does not list this node any more"]);
  await w.sim.run({ forMs: 60_000 });
  assert.equal(lost.length, 1, "it is told once");
  watch.follow("a");
  w.given.answers.delete("a");
  listed = undefined;
  await w.sim.run({ forMs: 30_000 });
  assert.equal(lost.length, 2);
  assert.match(lost[1], /silent for/);
  watch.close();
  await w.sim.run(); // comes to rest: no timer is left
});
