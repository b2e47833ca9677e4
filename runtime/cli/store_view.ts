/**
 * Reads the model store for commands that must not change it.
 *
 * @module
 */
import { join } from "node:path";
import { OrreryError } from "../../actors/mod.ts";
import { type AddOptions, ModelStore, type StoredModel } from "../../models/mod.ts";
import { isEmbedded, type ModelFinder } from "../serve/mod.ts";
import { PROGRAM } from "./program_name.ts";

/**
 * Finds models in the store of a data folder, and leaves the store as it is. The embedded model,
 * which a store gets when it is first served, may not be in the store yet: `add` then converts it
 * in a temporary folder and removes that folder, so that only the manifest of the result can be
 * used. Other models that are not in the store are refused (group `graph`, code `no_model`; group
 * `model`, what the store throws).
 */
export class StoreView implements ModelFinder {
  readonly #data: string;

  /** `data`: the folder of the store; it need not exist. */
  constructor(data: string) {
    this.#data = data;
  }

  /** The stored model. Throws `model_not_found`, and what `ModelStore.get` throws. */
  async get(name: string): Promise<StoredModel> {
    const known = await Deno.stat(join(this.#data, "models")).then(() => true, () => false);
    if (!known) throw this.#absent(name);
    return await (await ModelStore.open(this.#data)).get(name);
  }

  /**
   * The stored model called `options.name`; for the embedded model where the store lacks it, its
   * manifest. Throws `model_not_found` for any other model that the store lacks.
   */
  async add(source: string, options: AddOptions & { name: string }): Promise<StoredModel> {
    const { name } = options;
    const stored = await Deno.stat(join(this.#data, "models", name)).then(() => true, () => false);
    if (stored) return await this.get(name);
    if (!isEmbedded(source)) throw this.#absent(name);
    const aside = await Deno.makeTempDir({ prefix: "orrery-" });
    try {
      return await (await ModelStore.open(aside)).add(source, options);
    } finally {
      await Deno.remove(aside, { recursive: true });
    }
  }

  /** All stored models. */
  async list(): Promise<StoredModel[]> {
    const known = await Deno.stat(join(this.#data, "models")).then(() => true, () => false);
    return known ? await (await ModelStore.open(this.#data)).list() : [];
  }

  /** Whether the store has a blob. */
  async has(sha256: string): Promise<boolean> {
    return await Deno.stat(join(this.#data, "blobs", sha256)).then(() => true, () => false);
  }

  #absent(model: string): OrreryError {
    return new OrreryError({
      group: "model",
      code: "model_not_found",
      message:
        `model ${model} is not in the store ${this.#data}; add it with ${PROGRAM} models add, or describe it by ` +
        `its dimensions`,
      metadata: { model },
    });
  }
}
