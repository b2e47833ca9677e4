import { join } from "node:path";
import type { BlobFolder } from "./blobs.ts";
import { ChatTemplate, Tokenizer } from "../text/mod.ts";
import { type GenerationDefaults, parseGenerationConfig } from "./generation_config.ts";
import type { Manifest } from "../manifest.ts";
import { readJsonFile } from "../sources/mod.ts";

/** A model in the store. */
export class StoredModel {
  /** Geometry, precision and the blobs that it is made of. */
  readonly manifest: Manifest;
  /** Absolute path of the folder with manifest.json and the text files. */
  readonly dir: string;
  readonly #blobs: BlobFolder;

  /** Use `ModelStore.get`. */
  constructor(manifest: Manifest, dir: string, blobs: BlobFolder) {
    this.manifest = manifest;
    this.dir = dir;
    this.#blobs = blobs;
  }

  /** Absolute path of the folder of the blobs, in which stage graphs are written too. */
  get blobsDir(): string {
    return this.#blobs.dir;
  }

  /** Absolute paths of the model's text files by name, e.g. `tokenizer.json`. */
  get files(): Record<string, string> {
    return Object.fromEntries(
      Object.keys(this.manifest.files).map((file) => [file, join(this.dir, file)]),
    );
  }

  /** Absolute path of a blob, whether or not it is here. */
  blobPath(sha256: string): string {
    return this.#blobs.path(sha256);
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
    const path = this.files["generation_config.json"];
    const stated = path === undefined
      ? undefined
      : parseGenerationConfig(await readJsonFile(path), path);
    return {
      ...stated,
      eosTokens: this.manifest.eos_tokens,
      bosToken: this.manifest.bos_token ?? undefined,
    };
  }
}
