import { join } from "node:path";
import { ChatTemplate, Tokenizer } from "../text/mod.ts";
import { type GenerationDefaults, parseGenerationConfig } from "./generation_config.ts";
import type { Manifest } from "../manifest.ts";
import { readJsonFile } from "../files.ts";

/** A model in the store. */
export class StoredModel {
  /** Geometry, precision and the blobs that it is made of. */
  readonly manifest: Manifest;
  /** Absolute path of the folder with manifest.json and the text files. */
  readonly dir: string;
  /** Absolute path of the folder of the blobs, in which stage graphs are written too. */
  readonly blobsDir: string;

  /** Use `ModelStore.get`. */
  constructor(manifest: Manifest, dir: string, blobsDir: string) {
    this.manifest = manifest;
    this.dir = dir;
    this.blobsDir = blobsDir;
  }

  /** The model's tokenizer, read anew. */
  async tokenizer(): Promise<Tokenizer> {
    return await Tokenizer.load(this.dir);
  }

  /** The model's chat template, read anew. */
  async chatTemplate(): Promise<ChatTemplate> {
    return await ChatTemplate.load(this.dir);
  }

  /**
   * Sampling defaults of generation_config.json; without that file only the tokens that end a
   * generation.
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
