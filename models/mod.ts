/** Checkpoints in, stage graphs out: the door of the models room. @module */
export { ARCHITECTURES } from "./arch/mod.ts";
export type { GenerationDefaults } from "./generation_config.ts";
export { LLAMA_TENSORS, manifestSchema, PRECISIONS } from "./manifest.ts";
export type { Geometry, Group, Manifest, Precision, TensorEntry } from "./manifest.ts";
export { blobsOf, ModelStore } from "./store.ts";
export type { AddOptions, AddProgress, BlobProblem } from "./store.ts";
export type { BlobFolder } from "./blobs.ts";
export type { StoredModel } from "./stored_model.ts";
export { ChatTemplate } from "./chat.ts";
export type { ChatMessage, RenderOptions } from "./chat.ts";
export { StopMatcher } from "./stop_matcher.ts";
export type { StopResult } from "./stop_matcher.ts";
export { TextStream } from "./text_stream.ts";
export type { TextStreamOptions } from "./text_stream.ts";
export { Tokenizer } from "./tokenizer.ts";
export type { DecodeOptions, EncodeOptions } from "./tokenizer.ts";
export { buildStageGraph, kvNames, MASKED } from "./graph/mod.ts";
export type { StageGraph, StageGraphOptions } from "./graph/mod.ts";
