/**
 * The batches of a folder, one JSON file each.
 *
 * @module
 */
import { join } from "node:path";
import { z } from "zod";
import { BATCH_ENDPOINTS, type BatchObject } from "../api/mod.ts";
import { removeIfThere, writeJson } from "./disk.ts";

/** A batch, and the ids that its files have before they are shown. */
export interface BatchRecord {
  batch: BatchObject;
  /** Id of the file with answers. */
  output: string;
  /** Id of the file with refusals. */
  errors: string;
}

const seconds = z.int().nullable();
const fileId = z.string().regex(/^file-[0-9a-f]{24}$/);
const recordSchema: z.ZodType<BatchRecord> = z.object({
  output: fileId,
  errors: fileId,
  batch: z.object({
    id: z.string().regex(/^batch_[0-9a-f]{24}$/),
    object: z.literal("batch"),
    endpoint: z.enum(BATCH_ENDPOINTS),
    errors: z.object({
      object: z.literal("list"),
      data: z.array(z.object({
        code: z.string(),
        message: z.string(),
        param: z.string().nullable(),
        line: z.int().nullable(),
      })),
    }).nullable(),
    input_file_id: fileId,
    completion_window: z.literal("24h"),
    status: z.enum([
      ...["validating", "failed", "in_progress", "finalizing"] as const,
      ...["completed", "expired", "cancelling", "cancelled"] as const,
    ]),
    output_file_id: fileId.nullable(),
    error_file_id: fileId.nullable(),
    created_at: z.int(),
    in_progress_at: seconds,
    expires_at: z.int(),
    finalizing_at: seconds,
    completed_at: seconds,
    failed_at: seconds,
    expired_at: seconds,
    cancelling_at: seconds,
    cancelled_at: seconds,
    request_counts: z.object({ total: z.int(), completed: z.int(), failed: z.int() }),
    metadata: z.record(z.string(), z.string()).nullable(),
  }),
});

/** Whether a batch has come to its end. */
export function isOver({ status }: BatchObject): boolean {
  return ["failed", "completed", "expired", "cancelled"].includes(status);
}

/** Keeps records of batches. */
export class JobStore {
  readonly #folder: string;
  readonly #records = new Map<string, BatchRecord>();
  /** The write under way; a record may be saved anew while it is written. */
  #last: Promise<void> = Promise.resolve();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Opens the folder, which is made if absent. What cannot be read is left alone, and not listed. */
  static async open(folder: string): Promise<JobStore> {
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    const store = new JobStore(folder);
    for await (const { name } of Deno.readDir(folder)) {
      if (!name.endsWith(".json")) continue;
      try {
        const record = recordSchema.parse(JSON.parse(await Deno.readTextFile(join(folder, name))));
        store.#records.set(record.batch.id, record);
      } catch (error) {
        if (!(error instanceof SyntaxError || error instanceof z.ZodError)) throw error;
      }
    }
    return store;
  }

  /** All records, oldest first. */
  get records(): BatchRecord[] {
    return [...this.#records.values()].sort((a, b) =>
      a.batch.created_at - b.batch.created_at || (a.batch.id < b.batch.id ? -1 : 1)
    );
  }

  /** Undefined: there is none. */
  get(id: string): BatchRecord | undefined {
    return this.#records.get(id);
  }

  /** Writes a record, as it is when its turn comes. */
  save(record: BatchRecord): Promise<void> {
    this.#records.set(record.batch.id, record);
    const path = join(this.#folder, `${record.batch.id}.json`);
    const done = this.#last.then(() => writeJson(path, record));
    this.#last = done.catch(() => {});
    return done;
  }

  /** Forgets a batch. */
  async remove(id: string): Promise<void> {
    this.#records.delete(id);
    await removeIfThere(join(this.#folder, `${id}.json`));
  }
}
