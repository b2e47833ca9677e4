/**
 * The model store as commands see it that change nothing.
 *
 * @module
 */
import { join } from "node:path";
import { OrreryError } from "../../actors/mod.ts";
import { type AddOptions, ModelStore, type StoredModel } from "../../models/mod.ts";
import { isEmbedded, type ModelFinder } from "../serve/mod.ts";

/**
 * Finds models in the store of a data folder. The embedded model, which every store gets when it is
 * first served, is converted aside where it is not there yet: only the manifest of what `add` gives
 * can be relied on. Other models that are not there are refused (group `graph`, code `no_model`;
 * group `model`, what the store says).
 */
export class StoreView implements ModelFinder {
  readonly #data: string;

  /** `data`: the folder of the store; it need not be there. */
  constructor(data: string) {
    this.#data = data;
  }

  /** Throws `no_model` where there is no store; else as `ModelStore.get`. */
  async get(name: string): Promise<StoredModel> {
    const known = await Deno.stat(join(this.#data, "models")).then(() => true, () => false);
    if (!known) throw this.#absent(name);
    return await (await ModelStore.open(this.#data)).get(name);
  }

  /**
   * What the store has under `options.name`; else the embedded model, converted aside; else throws
   * `no_model`.
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

  #absent(model: string): OrreryError {
    return new OrreryError({
      group: "graph",
      code: "no_model",
      message:
        `model ${model} is not in the store ${this.#data}; add it with deno task models add, or describe it by ` +
        `its dimensions`,
      metadata: { model },
    });
  }
}
