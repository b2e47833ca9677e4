/**
 * The tokens that a trimmed LM head keeps.
 *
 * @module
 */
import { join } from "node:path";
import { z } from "zod";
import { modelError } from "../errors.ts";
import { readJsonFile } from "../files.ts";
import type { TokenRange } from "../head_parts.ts";

/** Products of a trimmed head at most: each costs time of its own. */
const MOST_RANGES = 16;
/** A byte as SentencePiece writes it. */
const BYTE = /^<0x[0-9A-Fa-f]{2}>$/;

const id = z.number().int().nonnegative();
const vocabularySchema = z.looseObject({
  model: z.looseObject({
    /** Ids by token; or, as Unigram has it, each token with its score, in the order of the ids. */
    vocab: z.union([z.record(z.string(), id), z.array(z.tuple([z.string(), z.number()]))]),
  }),
  added_tokens: z.array(z.looseObject({ id })).default([]),
});

/**
 * About `count` of the `vocab` rows of an LM head, those that a text is most likely to need, as
 * ranges of ids, ascending and apart. All rows where `count` is no less.
 *
 * A vocabulary of byte pairs gives out its ids as pairs were found, the most frequent first: so the
 * lowest ids are taken. Characters and special tokens, which end an answer for example, may stand
 * at its end (SentencePiece puts full stop and comma there) and are taken wherever they stand, as
 * up to half of all. Small gaps are filled, so that there are 16 ranges at most.
 *
 * `folder` has the tokenizer.json. Throws OrreryError `model/`: `file_missing`, `file_unreadable`,
 * `file_malformed`, `tokenizer_malformed`.
 */
export async function frequentTokens(
  folder: string,
  { count, vocab }: { count: number; vocab: number },
): Promise<TokenRange[]> {
  if (count >= vocab) return [{ first: 0, rows: vocab }];
  const file = join(folder, "tokenizer.json");
  const checked = vocabularySchema.safeParse(await readJsonFile(file));
  if (!checked.success) {
    const { path, message } = checked.error.issues[0];
    throw modelError(
      "tokenizer_malformed",
      `${file} cannot be used: ${path.join(".") || "its top"}: ${message}`,
      { file },
    );
  }
  const { model, added_tokens } = checked.data;
  const tokens: Iterable<[string, number]> = model.vocab instanceof Array
    ? model.vocab.map(([token], at) => [token, at])
    : Object.entries(model.vocab);
  const always = new Set(added_tokens.map((token) => token.id));
  for (const [token, at] of tokens) if (isCharacter(token)) always.add(at);
  const kept = new Set(
    [...always].filter((at) => at < vocab).sort((a, b) => a - b).slice(0, count >> 1),
  );
  for (let at = 0; kept.size < count; at++) kept.add(at);
  return rangesOf([...kept].sort((a, b) => a - b));
}

/** Whether a token is one character, or one byte, which byte-level vocabularies write as one. */
const isCharacter = (token: string): boolean =>
  token.length <= 2 && [...token].length === 1 || BYTE.test(token);

/** Ids, ascending, as ranges; the smallest gaps are filled where there would be too many. */
function rangesOf(ids: readonly number[]): TokenRange[] {
  const starts = ids.keys().drop(1).filter((i) => ids[i] > ids[i - 1] + 1).toArray();
  const gap = (i: number) => ids[i] - ids[i - 1];
  const cuts = starts.sort((a, b) => gap(b) - gap(a)).slice(0, MOST_RANGES - 1);
  const bounds = [0, ...cuts.sort((a, b) => a - b), ids.length];
  return bounds.slice(1).map((end, i) => {
    const first = ids[bounds[i]];
    return { first, rows: ids[end - 1] + 1 - first };
  });
}
