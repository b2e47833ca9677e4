/**
 * Copies of the model that nodes make in the background.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";

/** Waits until the store in `data` has all blobs of the embedded model of the store in `from`. */
export async function hasModel(data: string, from: string): Promise<void> {
  const manifest = await Deno.readTextFile(join(from, "models", "embedded", "manifest.json"));
  const blobs = [...manifest.matchAll(/"sha256": ?"([0-9a-f]{64})"/g)].map(([, sha256]) => sha256);
  assert.ok(blobs.length > 4);
  const deadline = performance.now() + 60_000;
  for (const blob of blobs) {
    while (!await Deno.stat(join(data, "blobs", blob)).catch(() => undefined)) {
      assert.ok(performance.now() < deadline, `${data} lacks ${blob}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
