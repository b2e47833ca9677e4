/**
 * The model store: content-addressed blobs of weights, a manifest for each model, and the
 * conversion that writes both.
 *
 * @module
 */
export { type BlobFolder } from "./blobs.ts";
export { type AddProgress } from "./conversion.ts";
export { freeBytes, isNoSpace } from "./disk.ts";
export { removeIfThere } from "./files.ts";
export { type GenerationDefaults } from "./generation_config.ts";
export { ModelParts, type ModelTexts, type PartForm } from "./model_parts.ts";
export { type ModelSource, openModelSource } from "./model_source.ts";
export { type ModelUser } from "./model_use.ts";
export { type FetchedBlob, type PartialBlob, PIECE_BYTES } from "./partial_blob.ts";
export {
  type AddOptions,
  type BlobProblem,
  blobsOf,
  defaultName,
  ModelStore,
  type StoreEntry,
  type StoreOptions,
} from "./store.ts";
export { type StoredModel } from "./stored_model.ts";
export { TEXT_FILES } from "./text_files.ts";
export {
  joinVocabularies,
  type VocabularyDifference,
  vocabularyDifference,
  type VocabularyJoin,
} from "./draft_vocabulary.ts";
