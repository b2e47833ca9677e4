/**
 * What the route that takes a model's files needs from the node.
 *
 * @module
 */
import type { PullStep } from "./pull_service.ts";

/**
 * How the weights of a model that is added are stored: at a precision, or so that those in q4 make up
 * for each other's errors.
 */
export const STORED_FORMS = [
  "q4",
  "q4-calibrated",
  "q4m",
  "q4m-calibrated",
  "q8",
  "f16",
  "f32",
] as const;

/** See {@linkcode STORED_FORMS}. */
export type StoredForm = typeof STORED_FORMS[number];

const CALIBRATED = "-calibrated";

/** A form's precision, and whether its errors are made up for; of none, nothing is said. */
export function readForm(
  form: StoredForm | undefined,
): { precision?: Exclude<StoredForm, `${string}-calibrated`>; calibrated: boolean } {
  if (form === undefined) return { calibrated: false };
  const precision = form.replace(CALIBRATED, "") as Exclude<StoredForm, `${string}-calibrated`>;
  return { precision, calibrated: form.endsWith(CALIBRATED) };
}

/** What a client says of a model before it sends the files. */
export interface UploadAbout {
  /** What the model is called in the store. */
  name: string;
  /** How its weights are stored. @default "q4", and of a GGUF file the nearest to what it holds */
  precision?: StoredForm;
  /** Bytes that the request says it has; undefined: it does not say. */
  bytes?: number;
}

/** A model whose files arrive. Disposing of it deletes the files, whether it was added or not. */
export interface ModelUpload extends AsyncDisposable {
  /**
   * Stores a file as it arrives. Throws group `api`: `invalid_value` for a file that no model has,
   * that came before, or whose model is not supported; `body_too_large`; `storage_full`; and what
   * reading the content throws.
   */
  receive(file: string, content: AsyncIterable<Uint8Array>): Promise<void>;
  /**
   * Converts what has arrived, and tells how far it is. Aborting the signal, or ending the
   * iteration, stops it; nothing of the model is kept then. Throws group `api` `invalid_value` where
   * files lack, and what the store throws (group `model`).
   */
  add(signal: AbortSignal): AsyncIterable<PullStep>;
}

/** Takes models from clients. */
export interface UploadService {
  /** Most bytes of a model's files together. */
  readonly mostBytes: number;
  /**
   * Begins to take a model. Throws group `api`: `pull_running` while another model is added,
   * `pull_forbidden` where the node may not write to its store, `model_exists` where the store has a
   * model of this name, `body_too_large`, `storage_full` where the disk has no room for it.
   */
  begin(about: UploadAbout): Promise<ModelUpload>;
}
