/**
 * Checkpoints that are the embedded draft model but for their tokenizer, to try drafts across
 * vocabularies.
 *
 * @module
 */
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

const DRAFT = join(import.meta.dirname!, "..", "..", "models", "embedded", "draft");
/** Special tokens: the lowest ids. */
const SPECIAL = 5;
const EMBEDDING = "model.embed_tokens.weight";

/** What differs from the embedded draft model. */
export interface OtherVocabulary {
  /** All ids but those of special tokens are given out in the reverse order. @default false */
  reversed?: boolean;
  /** Share of the merges that it has: with fewer it cuts words into more tokens. @default 1 */
  merges?: number;
}

/** Writes such a checkpoint into a folder. */
export async function writeOtherVocabulary(
  folder: string,
  { reversed = false, merges = 1 }: OtherVocabulary,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const file of ["config.json", "generation_config.json", "tokenizer_config.json"]) {
    await copyFile(join(DRAFT, file), join(folder, file));
  }
  const tokenizer = JSON.parse(await readFile(join(DRAFT, "tokenizer.json"), "utf8"));
  const { model } = tokenizer;
  const count = Object.keys(model.vocab).length;
  const moved = (id: number) => reversed && id >= SPECIAL ? count - 1 + SPECIAL - id : id;
  model.vocab = Object.fromEntries(
    Object.entries<number>(model.vocab).map(([token, id]) => [token, moved(id)]),
  );
  model.merges = model.merges.slice(0, Math.round(merges * model.merges.length));
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
  const weights = new Uint8Array(await readFile(join(DRAFT, "model.safetensors")));
  const begin = 8 + Number(new DataView(weights.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(weights.subarray(8, begin)));
  const { shape: [rows], data_offsets: [from, to] } = header[EMBEDDING];
  const embedding = weights.slice(begin + from, begin + to);
  const bytes = embedding.length / rows;
  for (let id = 0; id < rows; id++) {
    weights.set(embedding.subarray(id * bytes, (id + 1) * bytes), begin + from + moved(id) * bytes);
  }
  await writeFile(join(folder, "model.safetensors"), weights);
}
