import assert from "node:assert/strict";
import { IdleMemory, processMemory } from "./memory.ts";

const MB = 1e6;

/** A process whose figures a test sets. */
function scripted() {
  const state = { cpuMs: 0, now: 0, rss: 200 * MB, given: 0, after: 100 * MB };
  const world = {
    cpuMs: () => state.cpuMs,
    now: () => state.now,
    residentBytes: () => state.rss,
    giveBack: () => {
      state.given++;
      state.rss = state.after;
    },
  };
  return { state, world };
}

Deno.test("IdleMemory.look() gives memory back once the process is idle, and again when it grew", () => {
  const { state, world } = scripted();
  const memory = new IdleMemory(world);
  try {
    const look = (cpuMs: number) => {
      state.now += 5000;
      state.cpuMs += cpuMs;
      return memory.look();
    };
    assert.equal(look(2000), false, "it computes");
    assert.equal(look(100), true);
    assert.equal(state.rss, 100 * MB);
    assert.equal(look(0), false, "it has not grown");
    state.rss += 5 * MB;
    assert.equal(look(0), false, "too little to be worth it");
    state.rss += 20 * MB;
    assert.equal(look(4000), false, "it computes");
    assert.equal(look(0), true);
    assert.equal(state.given, 2);
  } finally {
    memory.close();
  }
});

Deno.test("processMemory() frees what a program has allocated and dropped", () => {
  const memory = processMemory();
  const before = memory.cpuMs();
  let sum = 0;
  // At least once: tests in other threads of this process may have taken the 5 ms already.
  do for (let i = 0; i < 1e5; i++) sum += i; while (memory.cpuMs() - before < 5);
  assert.ok(sum > 0 && memory.cpuMs() > before);
  memory.giveBack(); // without --expose-gc it only returns the C library's pools
  assert.ok(memory.residentBytes() > MB);
});
