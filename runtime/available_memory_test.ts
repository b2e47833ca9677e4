import assert from "node:assert/strict";
import { availableMemory, type MemoryFacts, memoryOfMachine } from "./available_memory.ts";

const GIB = 2 ** 30;
const FACTS: MemoryFacts = {
  total: 16 * GIB,
  available: 10 * GIB,
  free: 4 * GIB,
  limit: 0,
  resident: GIB,
};

Deno.test("availableMemory() is what the machine has left, or what the container allows", () => {
  assert.equal(availableMemory(FACTS), 10 * GIB);
  assert.equal(availableMemory({ ...FACTS, limit: 3 * GIB }), 2 * GIB);
  assert.equal(availableMemory({ ...FACTS, limit: 14 * GIB }), 10 * GIB);
  assert.equal(availableMemory({ ...FACTS, limit: GIB / 2 }), 0, "it has more than it may");
  // Version 1 of control groups says that there is no limit by a number of this size.
  assert.equal(availableMemory({ ...FACTS, limit: 2 ** 63 }), 10 * GIB);
});

Deno.test("availableMemory() is the unused memory where Deno does not know the available one", () => {
  assert.equal(availableMemory({ ...FACTS, available: 0 }), 4 * GIB);
});

Deno.test("memoryOfMachine() is the machine's memory, or the container's limit", () => {
  assert.equal(memoryOfMachine(FACTS), 16 * GIB);
  assert.equal(memoryOfMachine({ ...FACTS, limit: 3 * GIB }), 3 * GIB);
  assert.equal(memoryOfMachine({ ...FACTS, limit: 2 ** 63 }), 16 * GIB);
});

Deno.test("availableMemory() and memoryOfMachine() ask this machine", () => {
  const all = memoryOfMachine();
  assert.ok(Number.isFinite(all) && all > 0);
  assert.ok(availableMemory() > 0 && availableMemory() <= all);
});
