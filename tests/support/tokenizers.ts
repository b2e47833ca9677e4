/**
 * Tokenizers for tests: a tiny one that is made on the spot, and those of real models, which lie
 * beside this repository or nowhere.
 *
 * @module
 */
import { join } from "node:path";
import { Tokenizer } from "../../models/mod.ts";
import { writeTinyCheckpoint } from "./tiny_checkpoint.ts";

/** Folder beside the repository with files that are not part of it. */
export const SHARED_DATA = join(import.meta.dirname!, "../../../shared/data");

/** The tokenizer of a tiny checkpoint. */
export async function tinyTokenizer(): Promise<Tokenizer> {
  const dir = await Deno.makeTempDir();
  try {
    await writeTinyCheckpoint(dir, { layers: 1 });
    return await Tokenizer.load(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** The tokenizer of a model folder; undefined when the folder has none. */
export async function loadIfThere(folder: string): Promise<Tokenizer | undefined> {
  try {
    return await Tokenizer.load(folder);
  } catch (error) {
    if ((error as { code?: string }).code === "file_missing") return undefined;
    throw error;
  }
}
