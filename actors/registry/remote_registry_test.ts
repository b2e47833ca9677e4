import assert from "node:assert/strict";
import { OrreryError, type RefOf, Simulation } from "../system/mod.ts";
import type { registryActor } from "./actor.ts";
import { RemoteRegistry } from "./remote_registry.ts";

const SECOND = 1_000;

Deno.test("RemoteRegistry asks less and less often while it is refused, and at once when it is not", async () => {
  const sim = new Simulation({ seed: 1 });
  let refused = true;
  const asked: number[] = [];
  const get = () => {
    asked.push(sim.clock.now());
    if (!refused) return Promise.resolve(null);
    const message = "it is no longer the coordinator";
    return Promise.reject(new OrreryError({ group: "actor", code: "fenced", message }));
  };
  const registry = new RemoteRegistry({
    actor: { get } as unknown as RefOf<typeof registryActor>,
    clock: sim.clock,
    random: () => sim.random(),
  });
  const outcomes: string[] = [];
  const ask = () =>
    void registry.get("members/a", { deadlineMs: 20 * SECOND })
      .then(() => outcomes.push("answered"), (error) => outcomes.push(error.code));
  for (let i = 0; i < 5; i++) ask();
  await sim.run({ forMs: 10 * SECOND });
  const begun = asked.filter((at) => at < SECOND).length;
  assert.ok(begun >= 10 && begun <= 30, `${begun} asks in the first second`);
  const later = asked.filter((at) => at >= 5 * SECOND);
  // 0.5 to 1 s apart, which is 25 to 50 asks by five operations in five seconds.
  assert.ok(later.length >= 25 && later.length <= 50, `${later.length} asks in five seconds`);
  assert.ok(new Set(later).size > later.length / 2, "not in step");
  const before = asked.length;
  ask(); // one that begins now is no quicker
  await sim.run({ forMs: 400 });
  const its = asked.length - before;
  assert.ok(its <= 6, `${its} asks in 0.4 s`);
  refused = false;
  await sim.run({ forMs: SECOND });
  assert.deepEqual(outcomes, Array(6).fill("answered"));
  refused = true;
  const again = asked.length;
  ask();
  await sim.run({ forMs: 100 });
  assert.ok(asked.length - again >= 2, "an answer makes it quick again");
  await registry.close();
});
