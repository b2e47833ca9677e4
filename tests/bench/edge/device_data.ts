/**
 * A data folder for each emulated device: the model store is shared, what a device measures of
 * itself is its own.
 *
 * @module
 */
import { mkdir, rm, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";

/** What devices share of a store: they read it and never write. */
const SHARED = ["models", "blobs"];

/** Folders of devices 1 .. n over the store at `data`, without any profile. */
export async function freshDeviceData(data: string, devices: number): Promise<string[]> {
  const all = join(resolve(data), "devices");
  await rm(all, { recursive: true, force: true }); // removes links, not what they name
  const folders: string[] = [];
  for (let i = 1; i <= devices; i++) {
    const folder = join(all, String(i));
    await mkdir(folder, { recursive: true });
    for (const name of SHARED) await symlink(join(resolve(data), name), join(folder, name));
    folders.push(folder);
  }
  return folders;
}
