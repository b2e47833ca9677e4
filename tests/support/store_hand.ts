/**
 * One of several processes that use a model store at once:
 * `store_hand.ts STORE CHECKPOINT OWN_NAME ROUNDS`.
 *
 * It adds and removes models whose blobs are those of others. The model of its own name only it
 * removes: whenever that one is there, all of it must be.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ModelStore } from "../../models/mod.ts";

const [dir, checkpoint, own, rounds] = Deno.args;
const store = await ModelStore.open(dir);
const expected = new Set(["model_not_found", "store_busy"]);

/** Runs what may meet a model that another process has just removed. */
async function contended(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!expected.has((error as { code?: string }).code ?? "")) throw error;
  }
}

for (let round = 0; round < Number(rounds); round++) {
  await store.add(checkpoint, { name: own });
  assert.deepEqual(await store.verify(own), [], `${own} after it was added in round ${round}`);
  await contended(() => store.add(checkpoint, { name: "shared" }));
  await contended(() => store.remove("shared"));
  for (const entry of await store.entries()) assert.equal(entry.state, "ok");
  assert.deepEqual(
    await store.verify(own),
    [],
    `${own} after others were removed in round ${round}`,
  );
  if (round + 1 < Number(rounds)) await store.remove(own);
}
