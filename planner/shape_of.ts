/**
 * Computes the sizes that placement needs from a model's dimensions.
 *
 * @module
 */
import type { PaperDimensions } from "../actors/mod.ts";
import type { ModelShape } from "./types.ts";

/**
 * Bytes of one weight. 4-bit and 8-bit weights have one f32 scale for each block of 32, as in the
 * model store.
 */
const WEIGHT_BYTES = { q4: 0.5 + 4 / 32, q8: 1 + 4 / 32, f16: 2, f32: 4 } as const;

/**
 * Sizes of a decoder with the Llama layout. In a q4 model embedding and head are q8, as the model
 * store converts them.
 */
export function shapeOf(paper: PaperDimensions): ModelShape {
  const { layers, hidden, vocab, heads, kv_heads, head_dim, ffn, precision } = paper;
  // query and output projections; key and value projections; gate, up and down of the MLP
  const macsPerRow = hidden * head_dim * (2 * heads + 2 * kv_heads) + 3 * hidden * ffn;
  const layerBytes = Math.ceil(macsPerRow * WEIGHT_BYTES[precision]) + 2 * 4 * hidden;
  const ends = Math.ceil(vocab * hidden * WEIGHT_BYTES[precision === "q4" ? "q8" : precision]);
  return {
    name: paper.name,
    layers,
    hidden,
    vocab,
    context: paper.context,
    layerBytes: new Array<number>(layers).fill(layerBytes),
    embedBytes: ends,
    headBytes: ends,
    tied: paper.tied,
    kvBytesPerRow: 2 * kv_heads * head_dim * paper.kv_element_bytes,
    macsPerRow,
    macsPerPastRow: 2 * heads * head_dim,
  };
}
