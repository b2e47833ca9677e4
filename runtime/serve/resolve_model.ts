/**
 * Finds the model in the store that a command line or a graph file names.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";
import { OrreryError } from "../../actors/mod.ts";
import {
  type AddOptions,
  type AddProgress,
  groupsOf,
  type Manifest,
  type Precision,
  type StoredModel,
  vocabularyDifference,
} from "../../models/mod.ts";
import { isPathText } from "../../models/path_text.ts";
import { findDraft, judgeDraft } from "./draft_choice.ts";

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
  /** All stored models, in the order of their names; see `ModelStore.list`. */
  list(): Promise<StoredModel[]>;
  /** Whether the store has a blob. */
  has(sha256: string): Promise<boolean>;
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
  /**
   * It was found, and nobody asked for it by name: it is placed only where a plan has room for it and
   * expects it to pay. @default false
   */
  found?: boolean;
}

/** Where drafts come from. */
export interface ResolvedDraft {
  /** The draft model; undefined: there is none. */
  draft?: DraftChoice;
  /** Which model was found or bridged and why, or why none was found; undefined: nothing to say. */
  why?: string;
}

/**
 * The draft model for a target model: the one that `draft` names; or without a name, and with
 * `auto`, the embedded draft model for the embedded model, and for others the one of the store that
 * is expected to gain most. There is none with the names `none` and `ngram`. Throws as
 * {@linkcode resolveModel}, and `draft_gains_nothing` (group `model`) for a named one with another
 * tokenizer that no bridge leads to, or none that pays.
 */
export async function resolveDraft(
  store: ModelFinder,
  { target, stored, draft = "auto" }: { target: ModelChoice; stored?: StoredModel; draft?: string },
): Promise<ResolvedDraft> {
  if (draft === "none" || draft === "ngram") return {};
  if (draft !== "auto") return await named(store, stored, draft);
  if ((target.model ?? EMBEDDED) === EMBEDDED) {
    const { manifest } = await embedded(store, "draft", target);
    return { draft: { manifest, acceptance: EMBEDDED_ACCEPTANCE } };
  }
  if (!stored) return {};
  const { draft: model, verdict, why } = await findDraft(stored, await wholeModels(store));
  if (!model || !verdict) return { why };
  return { draft: { manifest: model.manifest, acceptance: verdict.acceptance, found: true }, why };
}

/** The draft model of this name. */
async function named(
  store: ModelFinder,
  target: StoredModel | undefined,
  draft: string,
): Promise<ResolvedDraft> {
  const model = await resolveModel(store, { model: draft });
  const { manifest } = model;
  const known = ({ manifest: { files } }: StoredModel) => "tokenizer.json" in files;
  const usual = { manifest, acceptance: USUAL_ACCEPTANCE };
  if (!target || !known(target) || !known(model)) return { draft: usual };
  if (!await vocabularyDifference(target, model)) return { draft: usual };
  const { pays, why, acceptance } = await judgeDraft(target, model);
  if (pays) return { draft: { manifest, acceptance }, why: `${manifest.name}: ${why}` };
  throw new OrreryError({
    group: "model",
    code: "draft_gains_nothing",
    message: `${manifest.name} is no draft model for ${target.manifest.name}: ${why}; ` +
      "say --draft auto, ngram or none",
    metadata: { model: target.manifest.name, draft: manifest.name },
  });
}

/** The models of which the store has all weights. */
async function wholeModels(store: ModelFinder): Promise<StoredModel[]> {
  const whole: StoredModel[] = [];
  for (const model of await store.list()) {
    const blobs = groupsOf(model.manifest).map(({ sha256 }) => store.has(sha256));
    if ((await Promise.all(blobs)).every(Boolean)) whole.push(model);
  }
  return whole;
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
