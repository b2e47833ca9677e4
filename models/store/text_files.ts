/**
 * The text files of a checkpoint, and the tokens that they name as beginning and end of a text.
 *
 * @module
 */
import { join } from "node:path";
import { z } from "zod";
import type { Described } from "../arch/mod.ts";
import { modelError } from "../errors.ts";
import { parseJson, readIfThere, readRequired } from "../files.ts";
import { idList, parseGenerationConfig } from "./generation_config.ts";
import type { Manifest } from "../manifest.ts";

/** Text files of a model folder that are kept. The first two must exist. */
export const TEXT_FILES = [
  "config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "generation_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
] as const;

/**
 * Reads the text files of a checkpoint folder that exist. Throws OrreryError `model/file_missing`
 * if tokenizer.json does not, `model/file_unreadable`.
 */
export async function readTextFiles(folder: string): Promise<Map<string, Uint8Array>> {
  const texts = new Map<string, Uint8Array>();
  for (const file of TEXT_FILES) {
    const path = join(folder, file);
    const required = file === "tokenizer.json";
    const bytes = required ? await readRequired(path) : await readIfThere(path);
    if (bytes) texts.set(file, bytes);
  }
  return texts;
}

/**
 * The ids of the tokens that end and begin a text. For EOS the first of generation_config.json,
 * config.json and the tokenizer's `eos_token` counts that names any; for BOS the first of
 * config.json, generation_config.json and the tokenizer's `bos_token`. Throws OrreryError
 * `model/config_malformed` for an id outside the vocabulary.
 */
export function endTokens(
  { config, geometry }: Described,
  texts: Map<string, Uint8Array>,
  folder: string,
): Pick<Manifest, "eos_tokens" | "bos_token"> {
  const json = (file: string) => {
    const bytes = texts.get(file);
    return bytes && parseJson(bytes, join(folder, file)) as Record<string, unknown>;
  };
  const generation = json("generation_config.json");
  const defaults = generation &&
    parseGenerationConfig(generation, join(folder, "generation_config.json"));
  const tokenizer = tokenizerSchema.safeParse(json("tokenizer.json"));
  const named = (field: "eos_token" | "bos_token"): number[] => {
    const token = json("tokenizer_config.json")?.[field];
    const content = typeof token === "string"
      ? token
      : (token as { content?: unknown } | null | undefined)?.content;
    const added = tokenizer.data?.added_tokens.find((known) => known.content === content);
    return added ? [added.id] : [];
  };
  const firstStated = (...choices: number[][]) => choices.find((ids) => ids.length > 0) ?? [];
  const eos = firstStated(
    defaults?.eosTokens ?? [],
    idList(config.eos_token_id),
    named("eos_token"),
  );
  const bos = firstStated(
    idList(config.bos_token_id),
    idList(defaults?.bosToken),
    named("bos_token"),
  );
  for (const id of [...eos, ...bos]) {
    if (id >= geometry.vocab) {
      throw modelError(
        "config_malformed",
        `${folder}: token id ${id} is outside the vocabulary of ${geometry.vocab}`,
        { id },
      );
    }
  }
  return { eos_tokens: eos, bos_token: bos[0] ?? null };
}

const tokenizerSchema = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.number().int(), content: z.string() })).default([]),
});
