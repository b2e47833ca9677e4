/**
 * What a drafter is loaded from: the whole draft model as one stage, and what joins its vocabulary and
 * the target's.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { type DraftBridge, type LoadedDraft, OrreryError } from "../../actors/mod.ts";
import { frequentTokens, joinVocabularies, type StoredModel } from "../../models/mod.ts";
import type { PreparedModel } from "./prepared_models.ts";
import type { LoadedLayers } from "./stage_loader.ts";

const log = getLogger(["orrery", "cluster"]);

/** A drafter without its engine, and what the engine is loaded from. */
export interface DraftToLoad {
  layers: LoadedLayers;
  drafter: Omit<LoadedDraft, "engine">;
}

/**
 * What the drafter of a deployment is loaded from, at `node`. Nothing is loaded. Throws `no_draft`
 * (group `cluster`) where nothing can join the vocabularies of the model and its draft model.
 */
export async function draftToLoad(
  { deployment, stored: target }: PreparedModel,
  draft: StoredModel,
  node: string,
): Promise<DraftToLoad> {
  const { geometry: { layers, vocab } } = draft.manifest;
  const count = deployment.draft?.vocabulary;
  const tokens = count === undefined
    ? undefined
    : await frequentTokens(draft.dir, { count, vocab });
  const { eosTokens: endTokens } = await draft.generationDefaults();
  const bridge = await draftBridge(target, draft);
  return {
    layers: { node, first: 0, last: layers - 1, tokens },
    drafter: { endTokens, targetVocab: target.manifest.geometry.vocab, ...(bridge && { bridge }) },
  };
}

/** What joins the vocabularies of a target and its draft model; undefined: they are equal. */
async function draftBridge(
  target: StoredModel,
  draft: StoredModel,
): Promise<DraftBridge | undefined> {
  const join = await joinVocabularies(target, draft);
  if (!join) return undefined;
  const { difference, bridge } = join;
  const [model, by] = [target.manifest.name, draft.manifest.name];
  if (typeof bridge !== "string") {
    log.info(
      "drafts of {by} for {model} are bridged through text: its tokenizer is another one ({difference})",
      { by, model, difference },
    );
    return bridge;
  }
  throw new OrreryError({
    group: "cluster",
    code: "no_draft",
    message: `${by} cannot draft for ${model}: its tokenizer is another one (${difference}), and ` +
      `${bridge}`,
    metadata: { model, draft: by },
  });
}
