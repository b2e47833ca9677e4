/**
 * A model of a hub into the store: fetched, converted, and the download deleted.
 *
 * @module
 */
import { basename, join } from "node:path";
import { describe } from "../arch/mod.ts";
import { HubModel, type HubOptions, type HubProgress, type HubSpec } from "./hub.ts";
import { readJsonFile } from "../files.ts";
import {
  type AddOptions,
  type AddProgress,
  defaultName,
  type ModelStore,
  type StoredModel,
} from "../store/mod.ts";

/** Options of {@linkcode addFromHub}. */
export interface AddFromHubOptions
  extends Omit<AddOptions, "origin" | "onProgress">, Omit<HubOptions, "check" | "onProgress"> {
  /** Keep the download when the model is in the store. @default false */
  keep?: boolean;
  /** Told as bytes arrive. */
  onDownload?: (progress: HubProgress) => void;
  /** Told as weights are converted. */
  onConvert?: (progress: AddProgress) => void;
}

/**
 * Fetches a model into `<store>/downloads` and converts it, or finds that this commit was converted
 * before with the same settings. What was fetched stays when either fails or is aborted, and the
 * next call goes on there; an architecture that is not supported is refused before its weights are
 * fetched. Throws what {@linkcode HubModel.fetch} and {@linkcode ModelStore.add} throw.
 */
export async function addFromHub(
  store: ModelStore,
  spec: HubSpec,
  options: AddFromHubOptions = {},
): Promise<StoredModel> {
  const { onDownload, onConvert, keep = false, ...rest } = options;
  await using model = await HubModel.resolve(spec, {
    ...rest,
    onProgress: onDownload,
    async check(folder) {
      const file = join(folder, "config.json");
      describe(await readJsonFile(file), file);
    },
  });
  const called = basename(spec.file ?? spec.repo, ".gguf");
  const adding = {
    ...rest,
    name: options.name ?? defaultName(called, options.precision ?? "q4"),
    origin: model.origin,
    onProgress: onConvert,
  };
  const before = await store.findConverted(adding);
  if (before) return before;
  const source = await model.fetch(join(store.dir, "downloads"));
  // Another process may have added it while we waited for its download.
  const added = await store.findConverted(adding) ?? await store.add(source, adding);
  if (!keep) await model.remove();
  return added;
}
