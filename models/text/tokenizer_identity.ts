/**
 * Whether two tokenizers mean the same by a token id. A draft model continues the token ids of its
 * target, so vocabulary and merges decide; how a text is normalised and cut before, which the draft
 * model never sees done, and templates do not.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { modelError } from "../errors.ts";
import { readJsonFile } from "../files.ts";

/** Of the target's tokens the draft model's tokenizer may lack one in so many. */
const LACKING = 100;

const identitySchema = z.looseObject({
  model: z.looseObject({
    vocab: z.union([
      z.record(z.string(), z.number().int().nonnegative()),
      z.array(z.tuple([z.string()], z.unknown())),
    ]),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])).nullish(),
  }),
  added_tokens: z.array(z.looseObject({
    id: z.number().int().nonnegative(),
    content: z.string(),
  })).default([]),
});

/** What tells a tokenizer from others. */
export interface TokenizerIdentity {
  /** Token by id; an id without a token is a hole. */
  tokens: readonly string[];
  /** Number of tokens. */
  count: number;
  /** Hash of its merges in their order; undefined: it has none. */
  merges?: string;
}

/**
 * The identity of the tokenizer in a model's folder. Throws group `model`, code
 * `tokenizer_malformed`.
 */
export async function readTokenizerIdentity(folder: string): Promise<TokenizerIdentity> {
  const file = join(folder, "tokenizer.json");
  const parsed = identitySchema.safeParse(await readJsonFile(file));
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0];
    const why = `${path.join(".") || "its top"}: ${message}`;
    throw modelError("tokenizer_malformed", `${file} cannot be used: ${why}`, { file });
  }
  const { model: { vocab, merges }, added_tokens } = parsed.data;
  const tokens: string[] = [];
  if (Array.isArray(vocab)) vocab.forEach(([token], id) => tokens[id] = token);
  else for (const [token, id] of Object.entries(vocab)) tokens[id] = token;
  for (const { id, content } of added_tokens) tokens[id] = content;
  const hash = merges && merges.length > 0 ? createHash("sha256") : undefined;
  for (const merge of merges ?? []) {
    hash?.update(`${typeof merge === "string" ? merge : merge.join(" ")}\n`);
  }
  const count = tokens.reduce((sum) => sum + 1, 0);
  return { tokens, count, ...(hash && { merges: hash.digest("hex") }) };
}

/**
 * Why a draft model with the second tokenizer cannot continue token ids of the first, in words;
 * undefined: it can. `rows`: tokens that the draft model has an embedding of.
 */
export function tokenizerDifference(
  target: TokenizerIdentity,
  draft: TokenizerIdentity,
  rows: number,
): string | undefined {
  let lacking = 0;
  let highest = 0;
  for (const [id, token] of target.tokens.entries()) {
    if (token === undefined) continue;
    highest = id;
    const other = draft.tokens[id];
    if (other === undefined) lacking++;
    else if (other !== token) {
      return `token ${id} is ${JSON.stringify(token)} in one and ${
        JSON.stringify(other)
      } in the other`;
    }
  }
  if (lacking * LACKING > target.count) {
    return `it lacks ${lacking} of ${target.count} tokens`;
  }
  if (highest >= rows) return `its model has ${rows} tokens, and token ${highest} is in use`;
  if (target.merges !== draft.merges && target.merges && draft.merges) {
    return "its merges are others";
  }
  return undefined;
}
