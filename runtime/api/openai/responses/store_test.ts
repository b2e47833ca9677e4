import assert from "node:assert/strict";
import { ResponseStore, type ResponseStoreLimits } from "./mod.ts";

function filled(count: number, limits: ResponseStoreLimits = {}): ResponseStore {
  const store = new ResponseStore(limits);
  for (let i = 0; i < count; i++) {
    const item = { type: "message" as const, id: `m${i}`, role: "user" as const, content: "x" };
    store.add({ response: { id: `r${i}` }, input: [item], items: [item] }, []);
  }
  return store;
}

Deno.test("ResponseStore.add() forgets the oldest responses, and their items, beyond its bounds", () => {
  const few = filled(3, { count: 2 });
  assert.deepEqual([0, 1, 2].map((i) => few.get(`r${i}`) !== undefined), [false, true, true]);
  assert.deepEqual([0, 1].map((i) => few.item(`m${i}`) !== undefined), [false, true]);
  const small = filled(10, { chars: 200 });
  assert.equal(small.get("r0"), undefined);
  assert.ok(small.get("r9"));
  assert.equal(filled(1, { chars: 10 }).get("r0"), undefined, "it is larger than the store");
});

Deno.test("ResponseStore.get() gives nothing that is too old or deleted", () => {
  let now = 0;
  const store = filled(2, { keptMs: 1000, now: () => now });
  assert.ok(store.delete("r0"));
  assert.ok(!store.delete("r0"));
  assert.equal(store.item("m0"), undefined);
  now = 999;
  assert.ok(store.get("r1"));
  now = 1000;
  assert.equal(store.get("r1"), undefined);
});
