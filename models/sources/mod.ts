/**
 * Reads checkpoints: Hugging Face folders (safetensors) and GGUF files.
 *
 * @module
 */
export { Checkpoint } from "./checkpoint.ts";
export { GgufModel } from "./gguf_model.ts";
export { partPaths, withoutPart } from "./gguf_parts.ts";
export { keptBy } from "./gguf_quant.ts";
export { MAX_HEADER_BYTES } from "./safetensors.ts";
export { PIECE_BYTES, rowsIn } from "./source.ts";
export type {
  QuantisedPiece,
  QuantisedTensor,
  ReadOptions,
  RowPiece,
  SourceTensor,
  WeightSource,
} from "./source.ts";
