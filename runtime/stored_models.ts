/**
 * The models of this node's store, as `/api/models` tells of them.
 *
 * @module
 */
import { type AddingModel, apiError, type ListedModel, type StoredModels } from "./api/mod.ts";
import { groupsOf, type ModelStore, type StoreEntry } from "../models/mod.ts";

/** What is asked. */
export interface StoredModelsOptions {
  store: ModelStore;
  /** Names of the models that this node or its cluster serves. */
  served: () => readonly string[];
  /** The model that is being added; undefined: none is. */
  adding: () => AddingModel | undefined;
}

/** See the module's text. One model at a time is verified: that reads all of its weights. */
export function storedModels({ store, served, adding }: StoredModelsOptions): StoredModels {
  let verifying: string | undefined;
  return {
    async list() {
      const names = served();
      const models = (await store.entries()).map((entry) => listed(entry, names));
      return { models, free_bytes: await store.freeBytes(), adding: adding() ?? null };
    },
    async verify(name, signal) {
      if (verifying !== undefined) {
        const message = `this node verifies ${verifying}, and one model at a time: ask again then`;
        throw apiError("verify_running", message);
      }
      verifying = name;
      try {
        return await store.verify(name, { signal });
      } finally {
        verifying = undefined;
      }
    },
  };
}

function listed(entry: StoreEntry, served: readonly string[]): ListedModel {
  const { name } = entry;
  const common = { name, served: served.includes(name) };
  if (entry.state === "broken") return { ...common, state: "broken", reason: entry.reason };
  const { geometry, precision } = entry.model.manifest;
  const groups = groupsOf(entry.model.manifest);
  const weights = groups.flatMap(({ tensors }) => Object.entries(tensors))
    .filter(([key]) => !(key === "lm_head" && geometry.tied_embeddings))
    .map(([, { shape }]) => shape.reduce((a, b) => a * b, 1));
  const { architecture, layers, context } = geometry;
  return {
    ...common,
    ...{ state: "ok", architecture, layers, context, precision },
    parameters: weights.reduce((a, b) => a + b, 0),
    bytes: groups.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
