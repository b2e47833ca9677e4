/**
 * A model's vocabulary as a grammar engine takes it: bytes of tokens, in one block that can be given
 * to another thread.
 *
 * @module
 */
import { modelError } from "../errors.ts";
import type { Tokenizer } from "../text/mod.ts";

/** Tokens that are read before other work of this thread gets its turn. */
const SLICE = 4096;

/** A token with a meaning of its own, such as the end of a turn. */
export interface SpecialToken {
  /** Its id. */
  id: number;
  /** How it is written. */
  text: string;
}

/** The bytes of each token of a model. */
export interface Vocabulary {
  /** Bytes of all tokens, one after the other. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Where each token's bytes end in `bytes`: u32 (vocab). A token without bytes never follows. */
  ends: Uint32Array<ArrayBuffer>;
  /** Tokens that end an answer. */
  eos: number[];
  /** Special tokens besides: they follow only where a grammar names them. */
  specials: SpecialToken[];
}

/** What a vocabulary is read from. */
export interface VocabularySource {
  /** The model's tokenizer. */
  tokenizer: Tokenizer;
  /** Tokens that end an answer. */
  eos: readonly number[];
  /** Rows of the model's embedding: ids past the tokenizer's are padding and never follow. */
  vocab: number;
}

/**
 * Reads the vocabulary, in slices, so that other work of this thread goes on. Throws OrreryError
 * `model/grammar_tokenizer` for a tokenizer whose tokens are not known as bytes, and the signal's
 * reason.
 */
export async function readVocabulary(
  { tokenizer, eos, vocab }: VocabularySource,
  signal?: AbortSignal,
): Promise<Vocabulary> {
  if (tokenizer.spelling === undefined) {
    throw modelError(
      "grammar_tokenizer",
      "this model's answers cannot be held to a grammar: its tokenizer is neither byte-level nor sentencepiece; use another model",
    );
  }
  if (eos.length === 0) {
    throw modelError(
      "grammar_tokenizer",
      "this model's answers cannot be held to a grammar: it has no token that ends an answer; use another model",
    );
  }
  const words: Uint8Array[] = [];
  const ends = new Uint32Array(vocab);
  const specials: SpecialToken[] = [];
  const ending = new Set(eos);
  let size = 0;
  for (let id = 0; id < vocab; id++) {
    if (id % SLICE === 0) {
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
      signal?.throwIfAborted();
    }
    if (!ending.has(id)) {
      const word = tokenizer.tokenBytes(id);
      if (tokenizer.specialIds.has(id)) specials.push({ id, text: tokenizer.tokenText(id) });
      words.push(word);
      size += word.length;
    }
    ends[id] = size;
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const word of words) {
    bytes.set(word, at);
    at += word.length;
  }
  return { bytes, ends, eos: eos.filter((id) => id < vocab), specials };
}
