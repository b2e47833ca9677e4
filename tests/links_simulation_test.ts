/**
 * Links that change while a cluster serves, in virtual time: a new plan is made from what is true
 * now, and layers move where that gains.
 */
import assert from "node:assert/strict";
import { CLUSTER } from "../actors/mod.ts";
import { LinkWorld } from "./support/link_world.ts";

const MINUTE = 60_000;

/** A cluster of three equal nodes that shares the layers evenly. */
async function world(): Promise<LinkWorld> {
  const made = new LinkWorld("abc");
  await made.start();
  assert.equal(await made.stages(), "a 0-3, b 4-7, c 8-11");
  return made;
}

Deno.test("Placer moves layers off a link that becomes slow, within minutes and without a probe", async () => {
  const w = await world();
  const { plans, probes: { length: probes } } = w;
  w.traffic = 20_000;
  await w.sim.run({ forMs: MINUTE });
  w.link("a", "b").roundTripMs = 1500;
  await w.sim.run({ forMs: 2.5 * MINUTE });
  assert.equal(await w.stages(), "a 0-5, c 6-11");
  assert.equal(w.plans, plans + 1);
  await w.sim.run({ forMs: 5.5 * MINUTE });
  assert.equal(w.plans, plans + 1, "a link that stays slow is no reason for another plan");
  assert.equal(w.probes.length, probes);
  w.close();
});

Deno.test("Placer makes a new plan for a link that matters little, and moves no layers", async () => {
  const w = await world();
  const { plans } = w;
  const { id } = (await w.status()).deployment!;
  await w.sim.run({ forMs: MINUTE });
  w.link("a", "b").roundTripMs = 10;
  await w.sim.run({ forMs: 2.5 * MINUTE });
  assert.equal(w.plans, plans + 1);
  const { deployment } = await w.status();
  assert.equal(deployment!.id, id, "what serves goes on");
  const link = w.known.find(({ from, to }) => from[0] === "a" && to[0] === "b")!;
  assert.ok(Math.abs(link.seconds - 0.0052) < 1e-6, `${link.seconds}`);
  w.close();
});

Deno.test("Placer follows the bandwidth by what large messages show, and probes only while nobody computes", async () => {
  const w = await world();
  const { plans, probes: { length: probes } } = w;
  w.traffic = 20_000;
  w.link("a", "b").bytesPerS = 2_000;
  w.transfer("a", "b");
  await w.sim.run({ forMs: 2 * MINUTE });
  assert.equal(w.plans, plans + 1);
  assert.equal(await w.stages(), "a 0-3, c 4-7, b 8-11", "nothing large goes from a to b");
  w.link("a", "b").bytesPerS = 12.5e6;
  await w.sim.run({ forMs: 10 * MINUTE });
  assert.equal(w.probes.length, probes, "requests run");
  w.traffic = 0;
  await w.sim.run({ forMs: 6 * MINUTE });
  assert.deepEqual(w.probes.slice(probes).toSorted(), ["a b", "a c", "b c"], "once each");
  const rate = w.known.find(({ from, to }) => from[0] === "a" && to[0] === "b")!.bytesPerS;
  assert.equal(rate, 12.5e6);
  w.close();
});

Deno.test("Placer places anew when a member says that it has become slower", async () => {
  const w = await world();
  const [, b] = w.names;
  w.speeds.set(b, 200);
  const { plans } = w;
  for (let i = 0; i < 20; i++) {
    await w.sim.until(
      w.systems.get(b)!.tell(CLUSTER, { type: "replan", why: "frames take longer" }),
    );
    await w.sim.run({ forMs: 1_000 });
  }
  assert.equal(w.plans, plans + 1, "it is heard once in five minutes");
  assert.equal(await w.stages(), "a 0-5, c 6-11");
  w.close();
});
