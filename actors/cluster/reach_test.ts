import assert from "node:assert/strict";
import { Simulation } from "../system/mod.ts";
import { reachNode } from "./reach.ts";

/** What a probe of two seconds finds, and when. `heardAt`: when something comes of itself. */
async function probe(
  { pings = [], refusesMs, heardAt }: {
    /** Milliseconds after which each ping is answered; none: it is lost. */
    pings?: (number | undefined)[];
    refusesMs?: number;
    heardAt?: number;
  },
) {
  const sim = new Simulation({ seed: 1 });
  const wait = (ms: number) =>
    new Promise<void>((resolve) => void sim.clock.after(ms, () => resolve()));
  const left = [...pings];
  const found = reachNode({
    now: () => sim.clock.now(),
    after: (ms, fn) => sim.clock.after(ms, fn),
    silentMs: () =>
      heardAt === undefined || heardAt > sim.clock.now() ? undefined : sim.clock.now() - heardAt,
    refuses: (_, ms) => wait(refusesMs ?? ms).then(() => refusesMs !== undefined),
    ping: (_, ms) => {
      const answer = left.shift();
      return wait(Math.min(ms, answer ?? ms)).then(() => {
        if (answer === undefined || answer > ms) throw new Error("late");
      });
    },
  }, { node: "a", withinMs: 2_000, signal: new AbortController().signal });
  const reach = await sim.until(found);
  return { reach, ms: sim.clock.now() };
}

Deno.test("reachNode() says what comes first: an answer or a refusal", async () => {
  assert.deepEqual(await probe({ pings: [30] }), { reach: "reached", ms: 30 });
  assert.deepEqual(await probe({ refusesMs: 2 }), { reach: "refused", ms: 2 });
  assert.deepEqual(await probe({ pings: [30], refusesMs: 2 }), { reach: "refused", ms: 2 });
});

Deno.test("reachNode() pings again where an answer is lost", async () => {
  const { reach, ms } = await probe({ pings: [undefined, undefined, 30] });
  assert.deepEqual({ reach, ms }, { reach: "reached", ms: 1_030 });
});

Deno.test("reachNode() takes whatever comes meanwhile for a sign of life, and nothing older", async () => {
  assert.equal((await probe({ heardAt: 700 })).reach, "reached");
  const { reach, ms } = await probe({ heardAt: 0 });
  assert.deepEqual({ reach, ms }, { reach: "silent", ms: 2_000 });
});

Deno.test("reachNode() finds nothing out when its signal ends it", async () => {
  const stop = new AbortController();
  const never = () => new Promise<never>(() => {});
  const world = {
    now: () => 0,
    after: () => () => {},
    silentMs: () => undefined,
    refuses: never,
    ping: never,
  };
  const found = reachNode(world, { node: "a", withinMs: 2_000, signal: stop.signal });
  stop.abort(new Error("the asker is gone"));
  await assert.rejects(found, /the asker is gone/);
});
