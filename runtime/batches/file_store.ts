/**
 * Files of clients and of batches: `ID.jsonl` has the content, `ID.json` says what it is.
 *
 * @module
 */
import { join } from "node:path";
import { z } from "zod";
import { apiError, type FileObject, type ReceivedFile } from "../api/mod.ts";
import { removeIfThere, sizeOf, writeAll, writeJson } from "./disk.ts";

/** Bounds of what is kept. */
export interface FileLimits {
  /** Largest file in bytes. */
  mostFileBytes: number;
  /** Largest sum of all files in bytes. */
  mostBytes: number;
  /** Most files. */
  mostFiles: number;
}

const fileSchema = z.object({
  id: z.string().regex(/^file-[0-9a-f]{24}$/),
  object: z.literal("file"),
  bytes: z.int().min(0),
  created_at: z.int(),
  expires_at: z.int().optional(),
  filename: z.string(),
  purpose: z.enum(["batch", "batch_output", "user_data"]),
  status: z.literal("processed"),
});

/** 24 random hexadecimal digits. */
export function randomDigits(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, 24);
}

/** The files of a folder. */
export class FileStore {
  readonly #folder: string;
  readonly #limits: FileLimits;
  /** The time in milliseconds since 1970. */
  readonly #now: () => number;
  readonly #files = new Map<string, FileObject>();
  /** Bytes of uploads under way. */
  #arriving = 0;

  private constructor(folder: string, limits: FileLimits, now: () => number) {
    this.#folder = folder;
    this.#limits = limits;
    this.#now = now;
  }

  /**
   * Opens the folder, which is made if absent. `kept`: ids whose contents stay though nothing says
   * what they are, since a batch still writes them. Other contents without a description, and
   * descriptions that cannot be read, are removed.
   */
  static async open(
    folder: string,
    options: { limits: FileLimits; now: () => number; kept: ReadonlySet<string> },
  ): Promise<FileStore> {
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    const store = new FileStore(folder, options.limits, options.now);
    const names: string[] = [];
    for await (const { name } of Deno.readDir(folder)) names.push(name);
    for (const name of names.filter((name) => name.endsWith(".json"))) {
      const file = await readFile(join(folder, name));
      if (file && names.includes(`${file.id}.jsonl`)) store.#files.set(file.id, file);
    }
    for (const name of names) {
      const id = name.slice(0, name.indexOf("."));
      const whole = name === `${id}.json` || name === `${id}.jsonl`;
      if (!whole || !(store.#files.has(id) || options.kept.has(id))) {
        await removeIfThere(join(folder, name));
      }
    }
    return store;
  }

  /** Where the content of a file is. */
  path(id: string): string {
    return join(this.#folder, `${id}.jsonl`);
  }

  /** All files, oldest first; those whose time is over are removed. */
  async list(): Promise<FileObject[]> {
    for (const { id, expires_at = Infinity } of [...this.#files.values()]) {
      if (expires_at * 1000 <= this.#now()) await this.remove(id);
    }
    return [...this.#files.values()]
      .sort((a, b) => a.created_at - b.created_at || (a.id < b.id ? -1 : 1));
  }

  /** Throws `not_found`. */
  get(id: string): FileObject {
    const file = this.#files.get(id);
    if (file && (file.expires_at ?? Infinity) * 1000 > this.#now()) return file;
    throw apiError("not_found", `there is no file ${JSON.stringify(id.slice(0, 64))}`, "file_id");
  }

  /** Stores content as it arrives. Throws `body_too_large`, `storage_full`. */
  async receive(content: AsyncIterable<Uint8Array>): Promise<ReceivedFile> {
    const { mostFileBytes, mostBytes, mostFiles } = this.#limits;
    const files = await this.list();
    if (files.length >= mostFiles) throw full(`${files.length} files, the most that it keeps`);
    const stored = files.reduce((sum, { bytes }) => sum + bytes, 0);
    const id = `file-${randomDigits()}`;
    const part = join(this.#folder, `${id}.part`);
    let bytes = 0;
    const drop = async () => {
      this.#arriving -= bytes;
      bytes = 0;
      await removeIfThere(part);
    };
    try {
      using file = await Deno.open(part, { write: true, createNew: true, mode: 0o600 });
      for await (const piece of content) {
        bytes += piece.length;
        this.#arriving += piece.length;
        if (bytes > mostFileBytes) {
          const message = `the file is larger than this server's limit of ${mostFileBytes} bytes`;
          throw apiError("body_too_large", message, "file");
        }
        if (stored + this.#arriving > mostBytes) throw full(`files of ${stored} bytes`);
        await writeAll(file, piece);
      }
      await file.syncData();
    } catch (error) {
      await drop();
      throw error;
    }
    let kept = false;
    return {
      keep: async ({ filename, purpose, expiresAfterS }) => {
        const created_at = Math.floor(this.#now() / 1000);
        const file: FileObject = {
          ...{ id, object: "file", bytes, created_at },
          ...(expiresAfterS !== undefined && { expires_at: created_at + expiresAfterS }),
          ...{ filename, purpose, status: "processed" },
        };
        await Deno.rename(part, this.path(id));
        await writeJson(join(this.#folder, `${id}.json`), file);
        this.#files.set(id, file);
        kept = true;
        this.#arriving -= bytes;
        return file;
      },
      [Symbol.asyncDispose]: async () => {
        if (!kept) await drop();
      },
    };
  }

  /** Names content that a batch wrote; false: it wrote none. */
  async adopt(id: string, filename: string): Promise<boolean> {
    const bytes = await sizeOf(this.path(id));
    if (bytes === 0) {
      await removeIfThere(this.path(id));
      return false;
    }
    const created_at = Math.floor(this.#now() / 1000);
    const purpose = "batch_output" as const;
    const file: FileObject = {
      ...{ id, object: "file", bytes, created_at, filename, purpose, status: "processed" },
    };
    await writeJson(join(this.#folder, `${id}.json`), file);
    this.#files.set(id, file);
    return true;
  }

  /** The content of a file, read as it is asked for. Throws `not_found`. */
  async content(id: string): Promise<ReadableStream<Uint8Array>> {
    this.get(id);
    return (await Deno.open(this.path(id))).readable;
  }

  /** Removes a file. Throws `not_found`. */
  async remove(id: string): Promise<void> {
    if (!this.#files.delete(id)) this.get(id);
    await removeIfThere(join(this.#folder, `${id}.json`)); // first: content without it is removed later
    await removeIfThere(this.path(id));
  }
}

async function readFile(path: string): Promise<FileObject | undefined> {
  try {
    const read = fileSchema.safeParse(JSON.parse(await Deno.readTextFile(path)));
    return read.success ? read.data : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function full(what: string): Error {
  return apiError(
    "storage_full",
    `this node has ${what}: remove some with DELETE /v1/files/{id}, then send it again`,
    "file",
  );
}
