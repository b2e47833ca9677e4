/**
 * The files and batches of a data folder, and the work on them: one batch after the other, oldest
 * first, some lines at once.
 *
 * @module
 */
import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import {
  type AnswerLine,
  apiError,
  type BatchObject,
  type BatchService,
  type FileObject,
  type NewBatch,
  type ReceivedFile,
} from "../api/mod.ts";
import { failBatch, runBatch, type StopReason } from "./run_batch.ts";
import { tryLock } from "./disk.ts";
import { type FileLimits, FileStore, randomDigits } from "./file_store.ts";
import { type BatchRecord, isOver, JobStore } from "./job_store.ts";

const log = getLogger(["orrery", "api"]);

/** Settings of {@linkcode Batches}. */
export interface BatchesOptions {
  /** Folder of files and batches; it is made when it is first needed. */
  folder: string;
  /** Answers one line. */
  answer: AnswerLine;
  /** Lines that are answered at once, of all batches. @default 4 */
  atOnce?: number;
  /** Most requests of a batch. @default 50_000 */
  mostLines?: number;
  /** Longest line in characters. @default 4 MiB */
  mostLineBytes?: number;
  /** Bounds of files. @default 100 MiB each, 2 GiB and 1,000 of them in all */
  files?: Partial<FileLimits>;
  /** The time in milliseconds since 1970. @default Date.now */
  now?: () => number;
}

/** Milliseconds from a batch's creation until it expires. */
const WINDOW_MS = 24 * 3_600_000;
/** Milliseconds to the next look at a folder that another process has. */
const LOOK_AGAIN_MS = 30_000;
/** Batches that are remembered; the oldest that are over are forgotten first. */
const MOST_BATCHES = 1_000;

/** What is known once the folder is open. */
interface Opened {
  lock: Deno.FsFile;
  files: FileStore;
  jobs: JobStore;
}

/** Keeps files and runs batches in a folder. A process that ends loses nothing that was answered. */
export class Batches implements BatchService, AsyncDisposable {
  readonly #options: Required<Omit<BatchesOptions, "files">>;
  readonly #limits: FileLimits;
  readonly #closing = new AbortController();
  #opened?: Promise<Opened>;
  /** Looks again whether the folder is free. */
  #again?: ReturnType<typeof setTimeout>;
  #working: Promise<void> = Promise.resolve();
  #current?: { id: string; stop: AbortController };

  constructor({ files = {}, ...options }: BatchesOptions) {
    this.#options = {
      ...{ atOnce: 4, mostLines: 50_000, mostLineBytes: 4 << 20, now: Date.now },
      ...options,
    };
    this.#limits = { mostFileBytes: 100 << 20, mostBytes: 2 ** 31, mostFiles: 1_000, ...files };
  }

  get mostFileBytes(): number {
    return this.#limits.mostFileBytes;
  }

  /**
   * Goes on with what an earlier process left, if the folder is there; while another process has it,
   * this looks again and again.
   */
  async resume(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    const there = await Deno.stat(this.#options.folder).then(() => true, () => false);
    if (!there) return;
    try {
      await this.#open();
    } catch (error) {
      log.warn("batches do not go on here: {error}", { error });
      this.#again = setTimeout(() => this.resume(), LOOK_AGAIN_MS);
    }
  }

  async receive(content: AsyncIterable<Uint8Array>): Promise<ReceivedFile> {
    return (await this.#open()).files.receive(content);
  }

  async files(): Promise<FileObject[]> {
    return (await this.#open()).files.list();
  }

  async file(id: string): Promise<FileObject> {
    return (await this.#open()).files.get(id);
  }

  async content(id: string): Promise<ReadableStream<Uint8Array>> {
    return (await this.#open()).files.content(id);
  }

  async removeFile(id: string): Promise<void> {
    const { files, jobs } = await this.#open();
    files.get(id);
    const user = jobs.records.find(({ batch }) => batch.input_file_id === id && !isOver(batch));
    if (user) {
      const message = `${id} is read by ${user.batch.id}: cancel that batch first`;
      throw apiError("file_in_use", message, "file_id");
    }
    await files.remove(id);
  }

  async create({ endpoint, inputFile, metadata }: NewBatch): Promise<BatchObject> {
    const { files, jobs } = await this.#open();
    const { purpose } = files.get(inputFile);
    if (purpose !== "batch") {
      const message = `input_file_id: ${inputFile} was uploaded with purpose ${
        JSON.stringify(purpose)
      }; upload it with purpose "batch"`;
      throw apiError("invalid_value", message, "input_file_id");
    }
    const { records } = jobs;
    if (records.length >= MOST_BATCHES) {
      const oldest = records.find(({ batch }) => isOver(batch));
      if (!oldest) {
        const message = `this node has ${records.length} batches to do: send it again later`;
        throw apiError("storage_full", message);
      }
      await jobs.remove(oldest.batch.id);
    }
    const now = this.#options.now();
    const created_at = Math.floor(now / 1000);
    const batch: BatchObject = {
      id: `batch_${randomDigits()}`,
      object: "batch",
      endpoint,
      errors: null,
      input_file_id: inputFile,
      completion_window: "24h",
      status: "validating",
      output_file_id: null,
      error_file_id: null,
      created_at,
      in_progress_at: null,
      expires_at: created_at + WINDOW_MS / 1000,
      finalizing_at: null,
      completed_at: null,
      failed_at: null,
      expired_at: null,
      cancelling_at: null,
      cancelled_at: null,
      request_counts: { total: 0, completed: 0, failed: 0 },
      metadata,
    };
    const [output, errors] = [`file-${randomDigits()}`, `file-${randomDigits()}`];
    await jobs.save({ batch, output, errors });
    const answer = structuredClone(batch);
    this.#work(jobs, files);
    return answer;
  }

  async batches(): Promise<BatchObject[]> {
    return (await this.#open()).jobs.records.map(({ batch }) => batch).reverse();
  }

  async batch(id: string): Promise<BatchObject> {
    return recordOf((await this.#open()).jobs, id).batch;
  }

  async cancel(id: string): Promise<BatchObject> {
    const { jobs } = await this.#open();
    const record = recordOf(jobs, id);
    const { batch } = record;
    if (isOver(batch) || batch.status === "finalizing") {
      throw apiError("batch_over", `${id} cannot be cancelled: it is ${batch.status}`, "batch_id");
    }
    if (batch.status !== "cancelling") {
      batch.status = "cancelling";
      batch.cancelling_at = this.#seconds();
      await jobs.save(record);
    }
    if (this.#current?.id === id) this.#current.stop.abort("cancel" satisfies StopReason);
    return batch;
  }

  /** Ends the work; lines under way are answered anew by the next process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort("close" satisfies StopReason);
    clearTimeout(this.#again);
    this.#current?.stop.abort("close" satisfies StopReason);
    await this.#working;
    const opened = this.#opened;
    this.#opened = undefined;
    (await opened?.catch(() => undefined))?.lock.close();
  }

  #seconds(): number {
    return Math.floor(this.#options.now() / 1000);
  }

  #open(): Promise<Opened> {
    const opening = this.#opened ??= this.#openNow();
    opening.catch(() => {
      if (this.#opened === opening) this.#opened = undefined; // the next request tries again
    });
    return opening;
  }

  async #openNow(): Promise<Opened> {
    const { folder, now } = this.#options;
    if (this.#closing.signal.aborted) throw apiError("draining", "the node is shutting down");
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    const lock = await tryLock(join(folder, "lock"));
    if (!lock) {
      throw apiError(
        "batches_elsewhere",
        `another node on this machine has the files and batches of ${folder}: ask that node, or ` +
          "give this one a data folder of its own (--data)",
      );
    }
    try {
      const jobs = await JobStore.open(join(folder, "jobs"));
      const open = jobs.records.filter(({ batch }) => !isOver(batch));
      const kept = new Set(open.flatMap(({ output, errors }) => [output, errors]));
      const options = { limits: this.#limits, now, kept };
      const files = await FileStore.open(join(folder, "files"), options);
      this.#work(jobs, files);
      return { lock, files, jobs };
    } catch (error) {
      lock.close();
      throw error;
    }
  }

  /** Works on every batch that is not over, after the work that is under way. */
  #work(jobs: JobStore, files: FileStore): void {
    this.#working = this.#working.then(async () => {
      for (;;) {
        const record = jobs.records.find(({ batch }) => !isOver(batch));
        if (!record || this.#closing.signal.aborted) return;
        try {
          await this.#run(record, jobs, files);
        } catch (error) {
          log.error("{batch} failed: {error}", { batch: record.batch.id, error });
          failBatch(record.batch, this.#seconds(), [{
            ...{ code: "server_error", param: null, line: null },
            message: "this node could not read or write the batch's files; its log says why",
          }]);
          await jobs.save(record).catch(() => {}); // it is over for this process in any case
        }
      }
    });
  }

  /** Brings a batch to its end, or as far as it comes before the node closes. */
  async #run(record: BatchRecord, jobs: JobStore, files: FileStore): Promise<void> {
    const stop = new AbortController();
    this.#current = { id: record.batch.id, stop };
    if (this.#closing.signal.aborted) stop.abort("close" satisfies StopReason);
    try {
      await runBatch(record, { ...this.#options, jobs, files, stop });
    } finally {
      this.#current = undefined;
    }
  }
}

function recordOf(jobs: JobStore, id: string): BatchRecord {
  const record = jobs.get(id);
  if (record) return record;
  throw apiError("not_found", `there is no batch ${JSON.stringify(id.slice(0, 64))}`, "batch_id");
}
