/**
 * The course of one batch: its file is checked, its lines are answered, its files are shown.
 *
 * @module
 */
import type { AnswerLine, BatchFault, BatchObject } from "../api/mod.ts";
import { checkInput } from "./check_input.ts";
import type { FileStore } from "./file_store.ts";
import type { BatchRecord, JobStore } from "./job_store.ts";
import { answeredLines, expireLines, runLines } from "./run_lines.ts";

/** Why the work on a batch stops early. */
export type StopReason = "cancel" | "expire" | "close";

/** What the work on a batch needs. */
export interface BatchRun {
  jobs: JobStore;
  files: FileStore;
  answer: AnswerLine;
  /** Lines that are answered at once. */
  atOnce: number;
  /** Most requests of a batch. */
  mostLines: number;
  /** Longest line in characters. */
  mostLineBytes: number;
  /** The time in milliseconds since 1970. */
  now: () => number;
  /** Ends the work, with a {@linkcode StopReason}. */
  stop: AbortController;
}

/** Brings a batch to its end, or as far as it comes until `stop` says `close`. */
export async function runBatch(record: BatchRecord, options: BatchRun): Promise<void> {
  const { jobs, files, stop, now } = options;
  const { batch } = record;
  const seconds = () => Math.floor(now() / 1000);
  const left = batch.expires_at * 1000 - now();
  const expiry = setTimeout(() => stop.abort("expire" satisfies StopReason), Math.max(0, left));
  if (left <= 0) stop.abort("expire" satisfies StopReason);
  if (batch.status === "cancelling") stop.abort("cancel" satisfies StopReason);
  const paths = {
    input: files.path(batch.input_file_id),
    ...{ output: files.path(record.output), errors: files.path(record.errors) },
  };
  const { answer, atOnce, mostLines, mostLineBytes } = options;
  const run = {
    ...{ id: batch.id, endpoint: batch.endpoint, paths, answer, atOnce, mostLineBytes },
    onLine: (outcome: "completed" | "failed") => void batch.request_counts[outcome]++,
    signal: stop.signal,
  };
  try {
    if (batch.status === "validating") {
      const limits = { mostLines, mostLineBytes };
      const { signal } = stop;
      const found = await checkInput(paths.input, { endpoint: batch.endpoint, limits, signal });
      if (found.faults.length > 0) {
        failBatch(batch, seconds(), found.faults);
        return await jobs.save(record);
      }
      stop.signal.throwIfAborted();
      batch.request_counts = { total: found.total, completed: 0, failed: 0 };
      batch.status = "in_progress";
      batch.in_progress_at = seconds();
      await jobs.save(record);
    }
    if (batch.status === "in_progress") {
      await recount(batch, paths);
      await runLines(run);
      // From here on it can be cancelled no more.
      stop.signal.throwIfAborted();
      batch.status = "finalizing";
      batch.finalizing_at = seconds();
      await jobs.save(record);
    }
    if (batch.status !== "finalizing") stop.signal.throwIfAborted();
    await finish(record, options, "completed");
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    const why = stop.signal.reason as StopReason;
    if (why === "close") return;
    await recount(batch, paths);
    if (why === "expire" && batch.request_counts.total > 0) {
      await expireLines({ ...run, signal: new AbortController().signal });
    }
    await finish(record, options, why === "cancel" ? "cancelled" : "expired");
  } finally {
    clearTimeout(expiry);
  }
}

/** Shows the files that the batch wrote, and says how it ended. */
async function finish(
  { batch, output, errors }: BatchRecord,
  { jobs, files, now }: BatchRun,
  status: "completed" | "cancelled" | "expired",
): Promise<void> {
  const [some, bad] = [
    await files.adopt(output, `${batch.id}_output.jsonl`),
    await files.adopt(errors, `${batch.id}_error.jsonl`),
  ];
  batch.output_file_id = some ? output : null;
  batch.error_file_id = bad ? errors : null;
  batch.status = status;
  batch[`${status}_at`] = Math.floor(now() / 1000);
  await jobs.save({ batch, output, errors });
}

/** Says of a batch that it has failed, at this time in Unix seconds, and why. */
export function failBatch(batch: BatchObject, at: number, data: BatchFault[]): void {
  batch.status = "failed";
  batch.failed_at = at;
  batch.errors = { object: "list", data };
}

/** Counts what the files have: an earlier process may have written more than it saved. */
async function recount(
  batch: BatchObject,
  paths: { output: string; errors: string },
): Promise<void> {
  const { completed, failed } = await answeredLines(paths);
  batch.request_counts.completed = completed.size;
  batch.request_counts.failed = failed.size;
}
