/**
 * Models: reads checkpoints, keeps converted models in a store, builds the ONNX graph of any range
 * of their layers, and turns text into token ids and back.
 *
 * @module
 */
export { ARCHITECTURES, describe, hasAttention } from "./arch/mod.ts";
export {
  builtInPassages,
  type Calibration,
  type Factors,
  factorsOf,
  type Gram,
  GRAM_WINDOW,
  type Passage,
  passagesOf,
} from "./calibration/mod.ts";
export {
  buildHeadGraph,
  buildSplitStage,
  buildStageGraph,
  type HeadGraph,
  type HeadGraphOptions,
  MASKED,
  oneStateBytes,
  rowBytes,
  rowCaches,
  type StageGraph,
  type StageGraphOptions,
  stateCaches,
  stateElements,
  windowOf,
} from "./graph/mod.ts";
export {
  checkSize,
  checkSpecSize,
  type ConstraintSpec,
  type GrammarForm,
  grammarOf,
  grammarRefused,
  type GrammarText,
  readVocabulary,
  type SpecialToken,
  type Vocabulary,
  type VocabularySource,
} from "./grammar/mod.ts";
export { HEAD_PARTS, headBounds, type TokenRange } from "./head_parts.ts";
export {
  addFromHub,
  type AddFromHubOptions,
  type HubProgress,
  type HubSpec,
  parseHubSpec,
} from "./hub/mod.ts";
export {
  BLOCK,
  type Block,
  BLOCKS,
  endFormatFor,
  formatFor,
  type Geometry,
  type GraphModel,
  type Group,
  groupsOf,
  headBytes,
  LLAMA_TENSORS,
  type Manifest,
  manifestSchema,
  type Precision,
  PRECISIONS,
  TENSOR_FORMATS,
  type TensorEntry,
  type TensorFormat,
} from "./manifest.ts";
export { blockFor } from "./quantise.ts";
export {
  type AddOptions,
  type AddProgress,
  type BlobFolder,
  type BlobProblem,
  blobsOf,
  type FetchedBlob,
  type GenerationDefaults,
  isNoSpace,
  joinVocabularies,
  ModelParts,
  type ModelSource,
  ModelStore,
  type ModelTexts,
  type ModelUser,
  openModelSource,
  type PartForm,
  type PartialBlob,
  PIECE_BYTES,
  type StoredModel,
  type StoreEntry,
  type StoreOptions,
  TEXT_FILES,
  type VocabularyDifference,
  vocabularyDifference,
  type VocabularyJoin,
} from "./store/mod.ts";
export * from "./text/mod.ts";
export * from "./tools/mod.ts";
