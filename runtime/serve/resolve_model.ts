/**
 * Finds the model in the store that a command line or a graph file names.
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
import { isPathText } from "../../models/path_text.ts";

/** Name of the embedded model, which is part of the program. */
export const EMBEDDED = "embedded";

const EMBEDDED_DIR = join(import.meta.dirname!, "..", "..", "models", "embedded");
/**
 * Acceptance rate of the embedded draft model's tokens that plans expect, 0 to 1 (measured: 97.7 %
 * on held-out questions).
 */
const EMBEDDED_ACCEPTANCE = 0.9;
/** Acceptance rate that plans expect of any other draft model, 0 to 1; it was not measured. */
export const USUAL_ACCEPTANCE = 0.7;

/** What {@linkcode resolveModel} needs of a model store. */
export interface ModelFinder {
  /** The stored model of this name; see `ModelStore.get`. */
  get(name: string): Promise<StoredModel>;
  /** Converts a checkpoint unless the store has it; see `ModelStore.add`. */
  add(source: string, options: AddOptions & { name: string }): Promise<StoredModel>;
}

/** Tells whether `source` is the folder of an embedded checkpoint. */
export const isEmbedded = (source: string): boolean => dirname(source) === EMBEDDED_DIR;

/** Which model is wanted. */
export interface ModelChoice {
  /** Name in the store, or a checkpoint folder. @default the embedded model */
  model?: string;
  /** How its weights are stored. @default "f32" for the embedded model, "q4" for others */
  precision?: Precision;
  /** Called while a checkpoint is converted. */
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
  if (!isFolder && isPathText(model)) {
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

/** A draft model. */
export interface DraftChoice {
  /** The stored model's manifest. */
  manifest: Manifest;
  /** Acceptance rate that plans expect of its tokens, 0 to 1. */
  acceptance: number;
}

/**
 * The draft model for a target model: the one that `draft` names, or without a name the embedded
 * draft model for the embedded model. Undefined: there is none, as with the names `none` and
 * `ngram`. Throws as {@linkcode resolveModel}.
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

/** The embedded target or draft model, converted if the store lacks it. */
async function embedded(
  store: ModelFinder,
  part: "target" | "draft",
  { precision, onProgress }: ModelChoice,
): Promise<StoredModel> {
  const base = part === "target" ? EMBEDDED : `${EMBEDDED}-${part}`;
  const name = precision === undefined ? base : `${base}-${precision}`;
  // It has 5 million parameters: a smaller precision would save nothing.
  return await store.add(join(EMBEDDED_DIR, part), {
    name,
    precision: precision ?? "f32",
    onProgress,
  });
}
