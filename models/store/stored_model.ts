import { join } from "node:path";
import { ChatTemplate, ModelScope, Tokenizer } from "../text/mod.ts";
import { type GenerationDefaults, parseGenerationConfig } from "./generation_config.ts";
import type { Manifest } from "../manifest.ts";
import { readJsonFile } from "../files.ts";

/** A model in the store. */
export class StoredModel {
  /** Geometry, precision and the hashes of the blobs. */
  readonly manifest: Manifest;
  /** Absolute path of the folder with manifest.json and the text files. */
  readonly dir: string;
  /** Absolute path of the folder of the blobs, in which stage graphs are written too. */
  readonly blobsDir: string;

  /** To be called by `ModelStore` only; use `ModelStore.get`. */
  constructor(manifest: Manifest, dir: string, blobsDir: string) {
    this.manifest = manifest;
    this.dir = dir;
    this.blobsDir = blobsDir;
  }

  /** Reads the model's tokenizer; every call reads the files again. */
  async tokenizer(): Promise<Tokenizer> {
    return await Tokenizer.load(this.dir);
  }

  /** Reads the model's chat template; every call reads the files again. */
  async chatTemplate(): Promise<ChatTemplate> {
    return await ChatTemplate.load(this.dir);
  }

  /** Reads what the model has learned about; undefined: it does not say. */
  async scope(): Promise<ModelScope | undefined> {
    const file = "generation_config.json";
    if (!(file in this.manifest.files)) return undefined;
    const path = join(this.dir, file);
    return ModelScope.fromConfig(await readJsonFile(path), path);
  }

  /**
   * Reads the sampling defaults of generation_config.json; without that file only the tokens that
   * begin and end a text are set.
   */
  async generationDefaults(): Promise<GenerationDefaults> {
    const file = "generation_config.json";
    const path = join(this.dir, file);
    const stated = file in this.manifest.files
      ? parseGenerationConfig(await readJsonFile(path), path)
      : undefined;
    return {
      ...stated,
      eosTokens: this.manifest.eos_tokens,
      bosToken: this.manifest.bos_token ?? undefined,
    };
  }
}
