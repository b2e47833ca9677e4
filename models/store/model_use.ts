/**
 * Which processes use a model of a store: each holds a lock on a file that names it. A process that
 * ends, however it ends, lets go of its locks; so a file that nobody has locked says nothing.
 *
 * @module
 */
import { join } from "node:path";
import { z } from "zod";
import { modelError } from "../errors.ts";
import { removeIfThere } from "./files.ts";

/** Folder of these files within a store. */
const FOLDER = "in-use";

const userSchema = z.object({
  /** Id of the node. */
  node: z.string(),
  /** Id of its deployment. */
  deployment: z.string(),
});

/** Who uses a model. */
export type ModelUser = z.infer<typeof userSchema>;

/** Says that a node uses a model of the store in `dir`, until the result is disposed of. */
export async function useModel(dir: string, name: string, user: ModelUser): Promise<Disposable> {
  const folder = join(dir, FOLDER);
  await Deno.mkdir(folder, { recursive: true });
  const path = join(folder, `${name}~${crypto.randomUUID()}.json`);
  const file = await Deno.open(path, { createNew: true, write: true });
  try {
    await file.lock(true);
    await file.write(new TextEncoder().encode(JSON.stringify(user)));
  } catch (error) {
    file.close();
    throw error;
  }
  return {
    [Symbol.dispose]() {
      try {
        Deno.removeSync(path);
      } catch { /* it is gone, or the folder is: then nobody reads it */ }
      file.close();
    },
  };
}

/** Who uses a model of the store in `dir` now. Files of processes that have ended are deleted. */
export async function usersOf(dir: string, name: string): Promise<ModelUser[]> {
  const folder = join(dir, FOLDER);
  const users: ModelUser[] = [];
  for await (const entry of listed(folder)) {
    if (!entry.startsWith(`${name}~`)) continue;
    const path = join(folder, entry);
    const user = await userOf(path);
    if (user) users.push(user);
  }
  return users;
}

/** Throws OrreryError `model/model_in_use` (metadata: `users`) where anybody uses the model. */
export async function checkUnused(dir: string, name: string): Promise<void> {
  const users = await usersOf(dir, name);
  if (users.length === 0) return;
  const who = users.map(({ node, deployment }) => `node ${node} (deployment ${deployment})`);
  throw modelError(
    "model_in_use",
    `model ${name} is served by ${who.join(" and ")}: stop that node, or let it serve another ` +
      "model, before the model is removed",
    { model: name, users },
  );
}

async function* listed(folder: string): AsyncIterable<string> {
  try {
    for await (const { name } of Deno.readDir(folder)) yield name;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Who has locked the file; undefined: nobody. */
async function userOf(path: string): Promise<ModelUser | undefined> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true, write: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined; // let go just now
    throw error;
  }
  using _file = file;
  if (await file.tryLock(true)) {
    await removeIfThere(path);
    return undefined;
  }
  const text = await Deno.readTextFile(path);
  try {
    return userSchema.parse(JSON.parse(text));
  } catch {
    return { node: "unknown", deployment: "unknown" }; // it is being written
  }
}
