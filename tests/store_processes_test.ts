/**
 * Real processes on one model store: what each holds stays whole, and nothing is left when all is
 * removed.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ModelStore } from "../models/mod.ts";
import { writeTinyCheckpoint } from "./support/tiny_checkpoint.ts";

const HAND = fileURLToPath(new URL("./support/store_hand.ts", import.meta.url));
const PROCESSES = 3;

Deno.test("ModelStore serves several processes that add and remove models of the same blobs", {
  sanitizeOps: true,
  sanitizeResources: true,
}, async () => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-store-" });
  try {
    await writeTinyCheckpoint(join(dir, "model"), { layers: 2 });
    const path = join(dir, "store");
    const names = Array.from({ length: PROCESSES }, (_, n) => `own-${n}`);
    const ends = await Promise.all(names.map((name) =>
      new Deno.Command(Deno.execPath(), {
        args: ["run", "-q", "-A", HAND, path, join(dir, "model"), name, "12"],
      }).output()
    ));
    for (const { success, stderr } of ends) assert.ok(success, new TextDecoder().decode(stderr));
    const store = await ModelStore.open(path);
    const left = (await store.list()).map(({ manifest }) => manifest.name).filter((name) =>
      name !== "shared"
    );
    assert.deepEqual(left, names);
    for (const entry of await store.entries()) {
      assert.deepEqual(await store.verify(entry.name), []);
      await store.remove(entry.name);
    }
    for (const folder of ["blobs", "tmp", "jobs", "models"]) {
      for await (const { name } of Deno.readDir(join(path, folder))) {
        assert.fail(`${folder}/${name} was left`);
      }
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
