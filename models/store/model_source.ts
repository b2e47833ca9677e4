/**
 * A source that a model is converted from: a checkpoint folder or a GGUF file.
 *
 * @module
 */
import { basename, join, resolve } from "node:path";
import { describe, type Described } from "../arch/mod.ts";
import { readJsonFile } from "../files.ts";
import { Checkpoint, GgufModel, type WeightSource } from "../sources/mod.ts";
import { readTextFiles } from "./text_files.ts";

/** An opened source; dispose of it to close its files. */
export interface ModelSource extends AsyncDisposable {
  /** Absolute path, for messages. */
  readonly path: string;
  /** Default name of a model that is made from it, without the precision. */
  readonly name: string;
  readonly described: Described;
  /** Text files by name, as a model folder has them. */
  readonly texts: Map<string, Uint8Array>;
  readonly weights: WeightSource;
  /** A hash that changes whenever weights or configuration do. */
  fingerprint(): Promise<string>;
}

/** Opens a checkpoint folder or a GGUF file. Throws, before any work, for what is not supported. */
export async function openModelSource(source: string): Promise<ModelSource> {
  const path = resolve(source);
  return /\.gguf$/i.test(path) ? await openGguf(path) : await openFolder(path);
}

async function openFolder(folder: string): Promise<ModelSource> {
  const configFile = join(folder, "config.json");
  const described = describe(await readJsonFile(configFile), configFile);
  const texts = await readTextFiles(folder);
  const weights = await Checkpoint.open(folder);
  return {
    path: folder,
    name: basename(folder),
    described,
    texts,
    weights,
    fingerprint: () => weights.fingerprint(),
    [Symbol.asyncDispose]: () => weights[Symbol.asyncDispose](),
  };
}

async function openGguf(path: string): Promise<ModelSource> {
  const model = await GgufModel.open(path);
  try {
    return {
      path,
      name: basename(path).replace(/\.gguf$/i, ""),
      described: describe(model.config, path),
      texts: model.texts,
      weights: model,
      fingerprint: () => model.fingerprint(),
      [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
    };
  } catch (error) {
    await model[Symbol.asyncDispose]();
    throw error;
  }
}
