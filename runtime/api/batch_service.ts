/**
 * What the routes of files and batches need from the node, and the JSON that they answer with, in
 * OpenAI's shapes.
 *
 * @module
 */

/** A file that a client uploaded or that a batch made. */
export interface FileObject {
  /** `file-` and 24 hexadecimal digits. */
  id: string;
  /** Kind of object. */
  object: "file";
  /** Size of its content. */
  bytes: number;
  /** Unix seconds. */
  created_at: number;
  /** Unix seconds at which it is removed; undefined: it stays. */
  expires_at?: number;
  /** The name that its sender gave it. */
  filename: string;
  /** What it is for; `batch_output`: a batch wrote it. */
  purpose: "batch" | "batch_output" | "user_data";
  /** It is there as a whole. */
  status: "processed";
}

/** Routes whose requests a batch may have. */
export const BATCH_ENDPOINTS = [
  "/v1/chat/completions",
  "/v1/completions",
  "/v1/embeddings",
  "/v1/responses",
] as const;

/** A route whose requests a batch may have. */
export type BatchEndpoint = typeof BATCH_ENDPOINTS[number];

/** How far a batch is. */
export type BatchStatus =
  | "validating"
  | "failed"
  | "in_progress"
  | "finalizing"
  | "completed"
  | "expired"
  | "cancelling"
  | "cancelled";

/** What is wrong with a batch's input file. */
export interface BatchFault {
  /** Tells faults apart. */
  code: string;
  /** What is wrong, in words. */
  message: string;
  /** The field at fault, if one is. */
  param: string | null;
  /** Line of the input file, from 1; null: the file as a whole. */
  line: number | null;
}

/** A batch, as OpenAI's API describes it; times are Unix seconds, null where it was not so yet. */
export interface BatchObject {
  /** `batch_` and 24 hexadecimal digits. */
  id: string;
  /** Kind of object. */
  object: "batch";
  /** Route that answers its requests. */
  endpoint: BatchEndpoint;
  /** What is wrong with its input; null: nothing was found. */
  errors: { object: "list"; data: BatchFault[] } | null;
  /** File with its requests. */
  input_file_id: string;
  /** Time after which it expires. */
  completion_window: "24h";
  /** How far it is. */
  status: BatchStatus;
  /** File with the answers; null: there are none yet. */
  output_file_id: string | null;
  /** File with what was refused, failed or came too late; null: there is nothing yet. */
  error_file_id: string | null;
  /** When it was made. */
  created_at: number;
  /** When its input was found right. */
  in_progress_at: number | null;
  /** When what is left of it expires. */
  expires_at: number;
  /** When all lines were answered. */
  finalizing_at: number | null;
  /** When its files could be read. */
  completed_at: number | null;
  /** When its input was found wrong. */
  failed_at: number | null;
  /** When it expired. */
  expired_at: number | null;
  /** When it was told to end. */
  cancelling_at: number | null;
  /** When it had ended so. */
  cancelled_at: number | null;
  /** Requests in all, with an answer, and with a refusal. */
  request_counts: { total: number; completed: number; failed: number };
  /** What its sender keeps with it. */
  metadata: Record<string, string> | null;
}

/** A file's content that has arrived and has no name yet. Disposing of it drops it. */
export interface ReceivedFile extends AsyncDisposable {
  /** Keeps it as a file. */
  keep(
    about: { filename: string; purpose: FileObject["purpose"]; expiresAfterS?: number },
  ): Promise<FileObject>;
}

/** What a new batch is to do. */
export interface NewBatch {
  /** Route that answers its requests. */
  endpoint: BatchEndpoint;
  /** Id of the file with its requests. */
  inputFile: string;
  /** Kept with it; null: nothing. */
  metadata: Record<string, string> | null;
}

/**
 * Keeps files and runs batches. All methods throw group `api`: `batches_elsewhere` while another
 * node on the same data folder has them.
 */
export interface BatchService {
  /** Largest file that a client may upload, in bytes. */
  readonly mostFileBytes: number;
  /** Stores what arrives. Throws `body_too_large`, `storage_full`. */
  receive(content: AsyncIterable<Uint8Array>): Promise<ReceivedFile>;
  /** All files, oldest first. */
  files(): Promise<FileObject[]>;
  /** Throws `not_found`. */
  file(id: string): Promise<FileObject>;
  /** The content of a file. Throws `not_found`. */
  content(id: string): Promise<ReadableStream<Uint8Array>>;
  /** Removes a file. Throws `not_found`, and `file_in_use` where a batch that is not over reads it. */
  removeFile(id: string): Promise<void>;
  /** Begins a batch. Throws `not_found`, `invalid_value`, `storage_full`. */
  create(batch: NewBatch): Promise<BatchObject>;
  /** All batches, newest first. */
  batches(): Promise<BatchObject[]>;
  /** Throws `not_found`. */
  batch(id: string): Promise<BatchObject>;
  /** Ends a batch early; what was answered is kept. Throws `not_found`, `batch_over`. */
  cancel(id: string): Promise<BatchObject>;
}
