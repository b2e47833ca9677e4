/**
 * A temporary folder for tests of the model store.
 *
 * @module
 */
import { join } from "node:path";
import type { ModelStore } from "../../models/mod.ts";

/** Runs a test with a temporary folder, which is then deleted. */
export async function inFolder(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await run(dir);
  } finally {
    await removeFolder(dir);
  }
}

/** Deletes a folder, although a copy of weights in the background may just write its last file. */
async function removeFolder(dir: string): Promise<void> {
  for (let left = 50;; left--) {
    try {
      return await Deno.remove(dir, { recursive: true });
    } catch (error) {
      if (left === 0 || !`${error}`.includes("not empty")) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Names of everything in the store's folders of blobs, journals and temporary files. */
export async function leftovers(store: ModelStore): Promise<string[]> {
  const names: string[] = [];
  for (const folder of ["blobs", "jobs", "tmp"]) {
    const path = join(store.dir, folder);
    if (folder === "jobs" && !await Deno.stat(path).then(() => true, () => false)) continue;
    for await (const { name } of Deno.readDir(path)) names.push(name);
  }
  return names;
}
