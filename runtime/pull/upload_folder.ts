/**
 * Folders for files that arrive, `uploads/ID` of the store. `uploads/ID.lock` is locked meanwhile, so
 * what a node that died left behind is known by its free lock.
 *
 * @module
 */
import { join } from "node:path";

/** Ending of a lock that has no name yet, and the milliseconds after which its node must have died. */
const FRESH = ".fresh";
const FRESH_MS = 3_600_000;
/** A folder for the files of one upload, deleted when it is disposed of. */
export class UploadFolder implements AsyncDisposable {
  readonly #lock: Deno.FsFile;

  private constructor(readonly path: string, lock: Deno.FsFile) {
    this.#lock = lock;
  }

  /** Makes a folder in `parent`, after it has deleted those whose nodes have died. */
  static async make(parent: string): Promise<UploadFolder> {
    await UploadFolder.sweep(parent);
    await Deno.mkdir(parent, { recursive: true, mode: 0o700 });
    const path = join(parent, crypto.randomUUID());
    const fresh = `${path}${FRESH}`;
    const lock = await Deno.open(fresh, { write: true, createNew: true, mode: 0o600 });
    const folder = new UploadFolder(path, lock);
    try {
      // It has its name only once it is locked: another node of this store may sweep at any time.
      await lock.tryLock(true);
      await Deno.rename(fresh, `${path}.lock`);
      await Deno.mkdir(path, { mode: 0o700 });
      return folder;
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      await removeTree(fresh);
      throw error;
    }
  }

  /** Deletes the folders of `parent` that nobody has locked. */
  static async sweep(parent: string): Promise<void> {
    const ids = new Set<string>();
    try {
      for await (const { name } of Deno.readDir(parent)) {
        if (!name.endsWith(FRESH)) ids.add(name.replace(/\.lock$/, ""));
        else if (await isOld(join(parent, name))) await removeTree(join(parent, name));
      }
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    for (const id of ids) {
      const path = join(parent, id);
      const lock = await Deno.open(`${path}.lock`, { write: true, create: true, mode: 0o600 });
      if (await lock.tryLock(true)) await new UploadFolder(path, lock)[Symbol.asyncDispose]();
      else lock.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeTree(this.path);
    this.#lock.close();
    await removeTree(`${this.path}.lock`);
  }
}

/** Whether a file is so old that whoever made it has died; false: it is gone. */
async function isOld(path: string): Promise<boolean> {
  try {
    const { mtime } = await Deno.stat(path);
    return mtime !== null && Date.now() - mtime.getTime() > FRESH_MS;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function removeTree(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
