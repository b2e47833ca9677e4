/**
 * Adds a hub's model to the store: fetches it, converts it, deletes the download.
 *
 * @module
 */
import { basename, join } from "node:path";
import { describe, precisionOf } from "../arch/mod.ts";
import { HubModel, type HubOptions, type HubProgress, type HubSpec } from "./hub.ts";
import { readJsonFile } from "../files.ts";
import type { Precision } from "../manifest.ts";
import { keptBy, withoutPart } from "../sources/mod.ts";
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
  /** Whether to keep the download once the model is in the store. @default false */
  keep?: boolean;
  /** Called as bytes arrive. */
  onDownload?: (progress: HubProgress) => void;
  /** Called as weights are converted. */
  onConvert?: (progress: AddProgress) => void;
}

/**
 * Fetches a model into `<store>/downloads` and converts it, or finds that this commit was converted
 * before with the same settings. An unsupported architecture is refused before its weights are
 * fetched. What was fetched stays when either step fails or is aborted, and the next call continues
 * after it. Throws what {@linkcode HubModel.fetch} and {@linkcode ModelStore.add} throw.
 */
export async function addFromHub(
  store: ModelStore,
  spec: HubSpec,
  options: AddFromHubOptions = {},
): Promise<StoredModel> {
  const { onDownload, onConvert, keep = false, ...rest } = options;
  let kept = precisionNamed(spec.file);
  await using model = await HubModel.resolve(spec, {
    ...rest,
    onProgress: onDownload,
    async check(folder) {
      const file = join(folder, "config.json");
      const { packing } = describe(await readJsonFile(file), file, { context: options.context });
      kept = precisionOf(packing);
    },
  });
  const called = basename(withoutPart(spec.file ?? spec.repo), ".gguf");
  const { precision = kept } = options;
  const adding = {
    ...rest,
    precision,
    name: options.name ?? defaultName(called, precision),
    origin: model.origin,
    onProgress: onConvert,
  };
  const before = await store.findConverted(adding);
  if (before) return before;
  const source = await model.fetch(join(store.dir, "downloads"));
  // Another process may have added the model while we waited for its download.
  const added = await store.findConverted(adding) ?? await store.add(source, adding);
  if (!keep) await model.remove();
  return added;
}

/**
 * The precision of a GGUF file by the type in its name, `model-Q8_0.gguf`, since a model that was
 * converted before is found before its file is fetched; q4 for anything else.
 */
function precisionNamed(file = ""): Precision {
  const type = /[-._]((?:B?F|Q|IQ)\d\w*|MXFP4)\.gguf$/i.exec(withoutPart(file))?.[1] ?? "";
  return keptBy(type.toUpperCase());
}
