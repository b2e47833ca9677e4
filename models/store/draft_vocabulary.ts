/**
 * Whether the token ids of a draft model mean what those of its target do, and what joins them where
 * they do not.
 *
 * @module
 */
import {
  openBridge,
  readTokenizerIdentity,
  type TextBridge,
  tokenizerDifference,
} from "../text/mod.ts";
import type { StoredModel } from "./stored_model.ts";

const FILE = "tokenizer.json";

/**
 * Why a draft model cannot continue the target's token ids, in words; undefined: it can. Throws
 * group `model`, code `tokenizer_malformed`.
 */
export async function vocabularyDifference(
  target: StoredModel,
  draft: StoredModel,
): Promise<string | undefined> {
  const rows = draft.manifest.geometry.vocab;
  const same = target.manifest.files[FILE] === draft.manifest.files[FILE];
  if (same && target.manifest.geometry.vocab <= rows) return undefined;
  const [of, by] = await Promise.all([target, draft].map(({ dir }) => readTokenizerIdentity(dir)));
  return tokenizerDifference(of, by, rows);
}

/** How a draft model is used whose token ids mean something else than the target's. */
export interface VocabularyJoin {
  /** How they differ, in words. */
  difference: string;
  /** What joins them. A string: why nothing can. */
  bridge: TextBridge | string;
}

/**
 * What joins the vocabularies of a target and its draft model; undefined: they are equal. Throws as
 * {@linkcode vocabularyDifference}.
 */
export async function joinVocabularies(
  target: StoredModel,
  draft: StoredModel,
): Promise<VocabularyJoin | undefined> {
  const difference = await vocabularyDifference(target, draft);
  if (difference === undefined) return undefined;
  return { difference, bridge: await vocabularyBridge(target, draft) };
}

/** What joins the vocabularies of two models. A string: why nothing can. */
export async function vocabularyBridge(
  target: StoredModel,
  draft: StoredModel,
): Promise<TextBridge | string> {
  const [of, by] = await Promise.all([target, draft].map(async (model) => ({
    tokenizer: await model.tokenizer(),
    eos: model.manifest.eos_tokens,
  })));
  return openBridge(of, by);
}
