/**
 * Writes a Llama checkpoint as a GGUF file for llama.cpp, tensor after tensor: projections and the
 * embedding as Q4_0, the LM head as Q8_0, norms as F32.
 *
 * @module
 */
import { type FileHandle, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Checkpoint } from "../../../models/sources/mod.ts";
import {
  encodeGgufHeader,
  ggufAligned,
  ggufBytes,
  type GgufHeaderEntry,
  ggufMetadata,
  ggufName,
  ggufTokenizerFields,
  ggufValues,
  type GgufWriteType,
  permuteHeads,
} from "../../support/gguf_writer.ts";

/**
 * Writes the checkpoint in the folder `dir` to `file`, whole or not at all. Memory holds one
 * projection or 8 MiB of another tensor. Throws what {@linkcode Checkpoint} throws.
 */
export async function writeGguf(dir: string, file: string): Promise<void> {
  const config = JSON.parse(await readFile(join(dir, "config.json"), "utf8"));
  await using checkpoint = await Checkpoint.open(dir);
  const metadata = {
    ...ggufMetadata("llama", { rope_theta: 10000, ...config }),
    ...await ggufTokenizerFields(dir),
  };
  const tensors = [...checkpoint.tensors].map(([name, { shape }]) => {
    const type = typeOf(name, shape);
    const bytes = ggufBytes(type, shape.reduce((a, b) => a * b, 1));
    return { from: name, name: ggufName(name), type, shape, bytes };
  });
  const temporary = `${file}.tmp`;
  try {
    await using out = await open(temporary, "w");
    await out.writeFile(encodeGgufHeader(metadata, tensors));
    for (const tensor of tensors) {
      const head = config.hidden_size / config.num_attention_heads;
      const permutedBy = /[qk]_proj/.test(tensor.from) ? head : undefined;
      await writeTensor(out, checkpoint, { ...tensor, permutedBy });
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

function typeOf(name: string, shape: number[]): GgufWriteType {
  if (shape.length === 1) return "F32";
  return name === "lm_head.weight" ? "Q8_0" : "Q4_0";
}

async function writeTensor(
  out: FileHandle,
  checkpoint: Checkpoint,
  { from, type, shape, bytes, permutedBy }: GgufHeaderEntry & { from: string; permutedBy?: number },
): Promise<void> {
  // Rows are reordered within each head, and a piece may end within one.
  const options = permutedBy === undefined ? {} : { pieceBytes: 4 * shape[0] * shape[1] };
  for await (const { values } of checkpoint.read(from, shape, options)) {
    const written = permutedBy ? permuteHeads(values, shape[0], permutedBy) : values;
    await out.writeFile(ggufValues(written, type));
  }
  await out.writeFile(new Uint8Array(ggufAligned(bytes) - bytes));
}
