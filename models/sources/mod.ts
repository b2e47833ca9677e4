/** Readers of checkpoints. @module */
export { Checkpoint, readJsonFile } from "./checkpoint.ts";
export { GgufModel } from "./gguf_model.ts";
export { MAX_HEADER_BYTES } from "./safetensors.ts";
export type { QuantisedPiece, ReadOptions, RowPiece, SourceTensor, WeightSource } from "./source.ts";
export { HubModel, parseHubSpec } from "./hub.ts";
export type { HubOptions, HubProgress, HubSpec } from "./hub.ts";
