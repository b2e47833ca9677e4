/**
 * Writing to the data folder so that a power cut leaves the old or the new.
 *
 * @module
 */

/** Writes a value as JSON; readers see the old file or the new one. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  const fresh = `${path}.new`;
  {
    using file = await Deno.open(fresh, { write: true, create: true, truncate: true, mode: 0o600 });
    await writeAll(file, new TextEncoder().encode(JSON.stringify(value)));
    await file.syncData();
  }
  await Deno.rename(fresh, path);
}

/** Writes all bytes at the place where the file is. */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/** Removes a file; it may be gone already. */
export async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The size of a file in bytes; 0: there is none. */
export async function sizeOf(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/**
 * Takes a lock on a file, which is created if absent; undefined: another process, or another caller
 * in this one, has it. The lock ends when it is closed, or with the process.
 */
export async function tryLock(path: string): Promise<Deno.FsFile | undefined> {
  const file = await Deno.open(path, { create: true, read: true, write: true, mode: 0o600 });
  try {
    if (await file.tryLock(true)) return file;
  } catch (error) {
    file.close();
    throw error;
  }
  file.close();
  return undefined;
}
