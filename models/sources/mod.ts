/** Readers of checkpoints. @module */
export { Checkpoint, readJsonFile } from "./checkpoint.ts";
export { MAX_HEADER_BYTES } from "./safetensors.ts";
export type { ReadOptions, RowPiece, SourceTensor, WeightSource } from "./source.ts";
