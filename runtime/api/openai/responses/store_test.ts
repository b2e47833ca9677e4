import assert from "node:assert/strict";
import { ResponseFiles, ResponseStore, type ResponseStoreLimits } from "./mod.ts";

function filled(count: number, limits: ResponseStoreLimits = {}): ResponseStore {
  const store = new ResponseStore(limits);
  for (let i = 0; i < count; i++) {
    const item = { type: "message" as const, id: `m${i}`, role: "user" as const, content: "x" };
    store.add({ response: { id: `r${i}` }, input: [item], items: [item] }, []);
  }
  return store;
}

Deno.test("ResponseStore.add() forgets the oldest responses, and their items, beyond its bounds", async () => {
  const few = filled(3, { count: 2 });
  const kept = await Promise.all([0, 1, 2].map((i) => few.get(`r${i}`)));
  assert.deepEqual(kept.map((each) => each !== undefined), [false, true, true]);
  const items = await Promise.all([0, 1].map((i) => few.item(`m${i}`)));
  assert.deepEqual(items.map((each) => each !== undefined), [false, true]);
  const small = filled(10, { chars: 200 });
  assert.equal(await small.get("r0"), undefined);
  assert.ok(await small.get("r9"));
  assert.equal(await filled(1, { chars: 10 }).get("r0"), undefined, "it is larger than the store");
});

Deno.test("ResponseStore.get() gives nothing that is too old or deleted", async () => {
  let now = 0;
  const store = filled(2, { keptMs: 1000, now: () => now });
  store.delete("r0");
  store.delete("r0");
  assert.equal(await store.get("r0"), undefined);
  assert.equal(await store.item("m0"), undefined);
  now = 999;
  assert.ok(await store.get("r1"));
  now = 1000;
  assert.equal(await store.get("r1"), undefined);
});

const names = async (folder: string) =>
  (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();

Deno.test("ResponseStore has what an earlier process kept in its files, within its bounds, until it is deleted", async () => {
  const folder = await Deno.makeTempDir({ prefix: "orrery-responses-" });
  try {
    let now = 0;
    const open = async (limits: ResponseStoreLimits = {}) => {
      const files = await ResponseFiles.open(folder);
      return {
        files,
        store: new ResponseStore({ files, now: () => now, keptMs: 1000, ...limits }),
      };
    };
    const add = (store: ResponseStore, i: number) => {
      const item = { type: "message" as const, id: `m${i}`, role: "user" as const, content: "x" };
      store.add({ response: { id: `resp_${i}`, n: i }, input: [item], items: [item] }, []);
    };
    {
      const { files, store } = await open();
      await using _written = files;
      for (let i = 0; i < 4; i++) {
        now = i;
        add(store, i);
      }
    }
    assert.equal((await names(folder)).length, 4);
    await Deno.writeTextFile(`${folder}/resp_9.json`, '{"response": 7}');
    {
      const { files, store } = await open({ count: 3 });
      await using _written = files;
      add(store, 4); // while the others are read: it is the newest all the same
      assert.equal((await store.get("resp_3"))!.response.n, 3);
      assert.ok(await store.item("m4"));
      assert.equal(await store.item("m1"), undefined, "beyond the bound");
      assert.equal(await store.get("resp_9"), undefined);
      store.delete("resp_3");
    }
    assert.deepEqual(await names(folder), ["resp_2.json", "resp_4.json", "resp_9.json"]);
    const { files, store } = await open();
    await using _written = files;
    assert.ok(await store.item("m2"));
    const other = (await open()).store;
    await other.get("none");
    add(store, 5);
    await files[Symbol.asyncDispose]();
    assert.equal((await other.get("resp_5"))!.response.n, 5, "another process of the folder");
    now = 1002;
    assert.equal(await store.get("resp_2"), undefined, "too old");
    for (const id of ["../resp_2", "resp_2/../../x", ""]) {
      assert.equal(await store.get(id), undefined);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
