import assert from "node:assert/strict";
import type { ActorSystem } from "../../actors/mod.ts";
import { Arbiters } from "./arbiters.ts";

const ONE = { id: "d", stages: [{ node: "n1", first: 0, last: 3 }] };
const TWO = {
  id: "e",
  stages: [{ node: "n1", first: 0, last: 1 }, { node: "n2", first: 2, last: 3 }],
};
const prompt = Int32Array.of(1, 2, 3);

/** Arbiters of node n1; `cached`: rows of any prompt that the arbiters have, by key. */
function world(cached: Record<string, number> = {}) {
  const asked: string[] = [];
  const at = (_: unknown, address: string) => ({
    outlook: () => {
      const key = address.split("/")[2];
      asked.push(key);
      if (cached[key] === undefined) return Promise.reject(new Error("not active"));
      return Promise.resolve({ reused: cached[key] });
    },
  });
  const arbiters = new Arbiters({ at, node: "n1" } as unknown as ActorSystem);
  const take = async (count: number, deployment = ONE) => {
    const places = [];
    for (let i = 0; i < count; i++) places.push(await arbiters.take(deployment, prompt));
    return places;
  };
  return { arbiters, take, asked, cached };
}

const keys = (places: { key: string }[]) => places.map((p) => p.key);

/** Requests at each arbiter. */
function counts(places: { key: string }[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { key } of places) found[key] = (found[key] ?? 0) + 1;
  return found;
}

Deno.test("Arbiters.take() spreads requests evenly over one arbiter for each eight of them", async () => {
  const { arbiters, take } = world();
  const places = await take(12);
  assert.deepEqual(counts(places), { n1: 12 });
  places.push(...await take(3));
  assert.deepEqual(counts(places), { n1: 12, "n1~1": 3 });
  // the next ones fill the arenas with fewer requests
  places.push(...await take(17));
  assert.deepEqual(counts(places), { n1: 12, "n1~1": 8, "n1~2": 8, "n1~3": 4 });
  for (let i = 0; i < 32; i++) {
    places.shift()![Symbol.dispose]();
    places.push(...await take(1));
  }
  assert.deepEqual(counts(places), { n1: 8, "n1~1": 8, "n1~2": 8, "n1~3": 8 });
  for (const place of places.splice(0, 24)) {
    place[Symbol.dispose]();
    place[Symbol.dispose](); // counts once
  }
  for (const place of places) place[Symbol.dispose]();
  assert.deepEqual(counts(await take(12)), { n1: 12 }, "few requests share one arena again");
  assert.deepEqual(arbiters.keys("d"), ["n1", "n1~1", "n1~2", "n1~3"]);
});

Deno.test("Arbiters.take() asks nobody while there is one arbiter, and keeps one for several stages", async () => {
  const { take, asked, arbiters } = world({ n1: 1000 });
  await take(12);
  assert.deepEqual(asked, []);
  assert.deepEqual(counts(await take(40, TWO)), { n1: 40 });
  assert.deepEqual(asked, []);
  arbiters.forget("d");
  assert.deepEqual(arbiters.keys("d"), []);
});

Deno.test("Arbiters.take() draws a request to the rows of its prompt, up to sixteen", async () => {
  const { take, cached } = world();
  const places = await take(13); // 12 and 1
  cached["n1~1"] = 31; // not worth it
  cached["n1"] = 200;
  assert.deepEqual(keys(await take(4)), ["n1", "n1", "n1", "n1"]);
  assert.deepEqual(keys(await take(1)), ["n1~1"], "there is no room");
  places[0][Symbol.dispose]();
  assert.deepEqual(keys(await take(1)), ["n1"]);
});

Deno.test("Arbiters.idleMs() lets arenas go soon that are there for many requests alone", () => {
  const { arbiters } = world();
  assert.equal(arbiters.idleMs("n1"), undefined);
  assert.equal(arbiters.idleMs("n1~1"), 30_000);
});
