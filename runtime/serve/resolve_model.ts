/**
 * From what a command line calls a model to a model in the store.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";
import { OrreryError } from "../../actors/mod.ts";
import type {
  AddOptions,
  AddProgress,
  Manifest,
  Precision,
  StoredModel,
} from "../../models/mod.ts";

/** Name of the model that comes with the program. */
export const EMBEDDED = "embedded";

const EMBEDDED_DIR = join(import.meta.dirname!, "..", "..", "models", "embedded");
/**
 * Drafts of the embedded draft that the embedded model accepts, at the least (97.7 % on held-out
 * questions).
 */
const EMBEDDED_ACCEPTANCE = 0.9;
/**
 * What is reckoned with for a draft model that nobody has measured: the chance that a token of it
 * is accepted.
 */
export const USUAL_ACCEPTANCE = 0.7;

/** What is needed of a store. */
export interface ModelFinder {
  /** See `ModelStore.get`. */
  get(name: string): Promise<StoredModel>;
  /** See `ModelStore.add`. */
  add(source: string, options: AddOptions & { name: string }): Promise<StoredModel>;
}

/** Is this the folder of a checkpoint that comes with the program? */
export const isEmbedded = (source: string): boolean => dirname(source) === EMBEDDED_DIR;

/** How to find a model. */
export interface ModelChoice {
  /** Name in the store, or a checkpoint folder. @default the embedded model */
  model?: string;
  /** @default "f32" for the embedded model, "q4" for others */
  precision?: Precision;
  /** Told how far the conversion of a checkpoint is. */
  onProgress?: (progress: AddProgress) => void;
}

/**
 * The model, converted if it was not. Throws group `model` (`model_not_found`, and what the store
 * says).
 */
export async function resolveModel(store: ModelFinder, choice: ModelChoice): Promise<StoredModel> {
  const { model = EMBEDDED, precision, onProgress } = choice;
  if (model === EMBEDDED) return await embedded(store, "target", choice);
  const isFolder = await Deno.stat(model).then((s) => s.isDirectory, () => false);
  if (!isFolder && model.includes("/")) {
    throw new OrreryError({
      group: "model",
      code: "model_not_found",
      message:
        `${model} is neither a folder nor a name in the store; fetch it first: deno task models add ${model}`,
      metadata: { model },
    });
  }
  if (!isFolder) return await store.get(model);
  const name = `${basename(model)}-${precision ?? "q4"}`.replace(/[^A-Za-z0-9._~-]/g, "-").slice(
    -128,
  );
  return await store.add(model, { name, precision, onProgress });
}

/** A draft model and the chance that its tokens are accepted. */
export interface DraftChoice {
  manifest: Manifest;
  acceptance: number;
}

/**
 * The draft model for a target: as named, or the embedded draft for the embedded model. `none` and
 * `ngram` name no model. Throws as {@linkcode resolveModel}.
 */
export async function resolveDraft(
  store: ModelFinder,
  { target, draft }: { target: ModelChoice; draft?: string },
): Promise<DraftChoice | undefined> {
  if (draft === "none" || draft === "ngram") return undefined;
  if (draft !== undefined) {
    return {
      manifest: (await resolveModel(store, { model: draft })).manifest,
      acceptance: USUAL_ACCEPTANCE,
    };
  }
  if ((target.model ?? EMBEDDED) !== EMBEDDED) return undefined;
  return {
    manifest: (await embedded(store, "draft", target)).manifest,
    acceptance: EMBEDDED_ACCEPTANCE,
  };
}

async function embedded(
  store: ModelFinder,
  part: "target" | "draft",
  { precision, onProgress }: ModelChoice,
): Promise<StoredModel> {
  const base = part === "target" ? EMBEDDED : `${EMBEDDED}-${part}`;
  const name = precision === undefined ? base : `${base}-${precision}`;
  // 5 million parameters: there is nothing to save, so it runs as precisely as it can.
  return await store.add(join(EMBEDDED_DIR, part), {
    name,
    precision: precision ?? "f32",
    onProgress,
  });
}
