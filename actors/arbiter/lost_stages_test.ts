import assert from "node:assert/strict";
import type { ActorContext, WireError } from "../system/mod.ts";
import type { ArbiterCore } from "./core.ts";
import { LostStages } from "./lost_stages.ts";

const GONE: WireError = { group: "cluster", code: "node_lost", message: "node n1 is gone" };

/** Requests that are held for 20 s, in an arena that holds no row; timers are kept, and do not fire. */
function recoveryWorld() {
  const world = { now: 0, timers: new Set<() => unknown>(), ended: [] as WireError[], rebuilds: 0 };
  const ctx = {
    now: () => world.now,
    after(_ms: number, fn: () => unknown) {
      world.timers.add(fn);
      return () => void world.timers.delete(fn);
    },
    report() {},
    signal: new AbortController().signal,
  };
  const core = {
    frames: 0,
    nextFrame: 0,
    hold() {},
    resume() {},
    end: (error: WireError) => void world.ended.push(error),
    rebuild: () => void world.rebuilds++,
  };
  const recovery = new LostStages(ctx as unknown as ActorContext, {
    core: core as unknown as ArbiterCore,
    stages: [],
    heads: [],
    holdMs: 20_000,
    retryMs: 1_000,
    turn() {},
  });
  return { world, recovery };
}

Deno.test("LostStages tries nothing more where requests fail as soon as they would be held again", () => {
  const again: ((recovery: LostStages) => void)[] = [
    (recovery) => recovery.lose(GONE),
    (recovery) => recovery.replaced({ stages: [0], heads: [] }, GONE),
    (recovery) => void recovery.failed({ error: { ...GONE, code: "stage_stopped" } }),
  ];
  for (const lose of again) {
    const { world, recovery } = recoveryWorld();
    recovery.lose(GONE);
    recovery.replaced({ stages: [0], heads: [] }, GONE);
    assert.deepEqual([recovery.holds, world.rebuilds, world.ended.length], [false, 1, 0]);
    // no frame has been answered since
    world.now = 30_000;
    lose(recovery);
    assert.equal(world.ended.length, 1);
    assert.deepEqual([recovery.holds, world.rebuilds, world.timers.size], [false, 1, 0]);
  }
});
