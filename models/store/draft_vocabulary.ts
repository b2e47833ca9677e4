/**
 * Whether the token ids of a draft model mean what those of its target do, and what joins them where
 * they do not.
 *
 * To compare two tokenizers, and to open both, takes 0.6 s where one of them has 150,000 tokens, so
 * what was found out is kept by the hashes of the files.
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
/** Files that a tokenizer is made of. */
const FILES = [FILE, "tokenizer_config.json"];
/** Pairs of vocabularies of which it is known how they differ. */
const MOST_PAIRS = 64;

/** How the token ids of a draft model differ from those of its target. */
export interface VocabularyDifference {
  /** How they differ, in words. */
  difference: string;
  /** Ids of the draft model for each id of the target, in the mean, where a bridge joins them. */
  ratio?: number;
  /** Why no bridge can; undefined: one does. */
  unbridged?: string;
}

/** How a draft model is used whose token ids mean something else than the target's. */
export interface VocabularyJoin {
  /** How they differ, in words. */
  difference: string;
  /** What joins them. A string: why nothing can. */
  bridge: TextBridge | string;
}

/** What is known of a pair of vocabularies. */
interface VocabularyPair {
  /** undefined: they are equal. */
  facts: Promise<VocabularyDifference | undefined>;
  /** The bridge that was opened last, as long as somebody has it. */
  bridge?: WeakRef<TextBridge>;
}

/** By the hashes of the files of both, the one that was asked for last at the end. */
const pairs = new Map<string, VocabularyPair>();
/**
 * The bridge that a drafter used last. It stays when the drafter is unloaded, so that a deployment
 * that sleeps wakes with it. A node seldom has more than one drafter.
 */
const kept: { last?: TextBridge } = {};

/**
 * How the token ids of a draft model differ from the target's; undefined: it can continue them. Throws
 * group `model`, code `tokenizer_malformed`.
 */
export function vocabularyDifference(
  target: StoredModel,
  draft: StoredModel,
): Promise<VocabularyDifference | undefined> {
  return pairOf(target, draft).facts;
}

/**
 * What joins the vocabularies of a target and its draft model; undefined: they are equal. Throws as
 * {@linkcode vocabularyDifference}.
 */
export async function joinVocabularies(
  target: StoredModel,
  draft: StoredModel,
): Promise<VocabularyJoin | undefined> {
  const pair = pairOf(target, draft);
  const facts = await pair.facts;
  if (!facts) return undefined;
  const { difference, unbridged } = facts;
  if (unbridged !== undefined) return { difference, bridge: unbridged };
  const bridge = pair.bridge?.deref() ?? await vocabularyBridge(target, draft);
  if (typeof bridge !== "string") {
    pair.bridge = new WeakRef(bridge);
    kept.last = bridge;
  }
  return { difference, bridge };
}

/** What joins the vocabularies of two models. A string: why nothing can. */
async function vocabularyBridge(
  target: StoredModel,
  draft: StoredModel,
): Promise<TextBridge | string> {
  const [of, by] = await Promise.all([target, draft].map(async (model) => ({
    tokenizer: await model.tokenizer(),
    eos: model.manifest.eos_tokens,
  })));
  return openBridge(of, by);
}

function pairOf(target: StoredModel, draft: StoredModel): VocabularyPair {
  const key = JSON.stringify([target, draft].map(({ manifest }) => [
    ...FILES.map((file) => manifest.files[file]),
    manifest.geometry.vocab,
    manifest.eos_tokens,
  ]));
  const known = pairs.get(key);
  const pair: VocabularyPair = known ?? { facts: Promise.resolve(undefined) };
  if (!known) {
    pair.facts = compare(target, draft, pair);
    pair.facts.catch(() => {
      if (pairs.get(key) === pair) pairs.delete(key); // the file may be there the next time
    });
  }
  pairs.delete(key);
  pairs.set(key, pair);
  if (pairs.size > MOST_PAIRS) pairs.delete(pairs.keys().next().value!);
  return pair;
}

async function compare(
  target: StoredModel,
  draft: StoredModel,
  pair: VocabularyPair,
): Promise<VocabularyDifference | undefined> {
  const rows = draft.manifest.geometry.vocab;
  const same = target.manifest.files[FILE] === draft.manifest.files[FILE];
  if (same && target.manifest.geometry.vocab <= rows) return undefined;
  const [of, by] = await Promise.all([target, draft].map(({ dir }) => readTokenizerIdentity(dir)));
  const difference = tokenizerDifference(of, by, rows);
  if (difference === undefined) return undefined;
  const bridge = await vocabularyBridge(target, draft);
  if (typeof bridge === "string") return { difference, unbridged: bridge };
  pair.bridge = new WeakRef(bridge);
  return { difference, ratio: bridge.ratio };
}
