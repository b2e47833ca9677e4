/**
 * Makes a data folder for each emulated device: devices share the model store, but each keeps its
 * own profile.
 *
 * @module
 */
import { mkdir, rm, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";

/** Folders of the store that devices share; they only read them. */
const SHARED = ["models", "blobs"];

/** Makes the folders of devices 1 .. n over the store at `data`, without any profile. */
export async function freshDeviceData(data: string, devices: number): Promise<string[]> {
  const all = join(resolve(data), "devices");
  // Removes the links, not the folders that they point to.
  await rm(all, { recursive: true, force: true });
  const folders: string[] = [];
  for (let i = 1; i <= devices; i++) {
    const folder = join(all, String(i));
    await mkdir(folder, { recursive: true });
    for (const name of SHARED) await symlink(join(resolve(data), name), join(folder, name));
    folders.push(folder);
  }
  return folders;
}
