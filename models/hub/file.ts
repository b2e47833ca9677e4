/**
 * Downloads one file of a hub repository: resumes a partial download, and checks the hash before
 * the file gets its name.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import { isNoSpace } from "../store/mod.ts";
import { modelError, reasonOf } from "../errors.ts";
import type { HubClient } from "./client.ts";

/** Bytes that are read from a partial file at a time. */
const READ_BYTES = 4 << 20;

/** A file as the hub lists it. */
export interface HubFile {
  /** Path within the repository, with slashes. */
  path: string;
  /** Size in bytes. */
  size: number;
  /**
   * Hash in lower-case hexadecimal: sha256 of the bytes for a file in large file storage, else the
   * git blob id. Undefined: the hub lists none, and the file is not checked.
   */
  digest?: { algorithm: "sha256" | "git"; value: string };
}

/** Options of {@linkcode fetchFile}. */
export interface FetchFileOptions {
  client: HubClient;
  /** Commit of the repository, 40 hexadecimal digits. */
  commit: string;
  /** Path of the finished file. Until then its bytes are in `<to>.part`. */
  to: string;
  /**
   * Called with the number of the file's bytes on the disk. It drops when bytes must be discarded.
   */
  onBytes?: (bytes: number) => void;
  signal?: AbortSignal;
}

/**
 * Fetches a file, or finds that it is on the disk. Throws what {@linkcode HubClient} throws, and
 * OrreryError `model/`: `download_hash` when the bytes are not those that the hub lists (they are
 * deleted), `disk_full`, `file_unwritable`.
 */
export async function fetchFile(file: HubFile, options: FetchFileOptions): Promise<void> {
  const { client, commit, to, signal, onBytes } = options;
  const here = await Deno.stat(to).catch(() => undefined);
  if (here?.isFile && here.size === file.size) return onBytes?.(file.size);
  for (let attempt = 1;; attempt++) {
    using part = await PartialFile.open(`${to}.part`, file, signal);
    onBytes?.(part.bytes);
    const resumed = part.bytes > 0;
    await client.persist(async () => {
      while (part.bytes < file.size) {
        const from = part.bytes;
        await client.download(file.path, commit, from, async (response, heard) => {
          // A server that ignores ranges sends the whole file: begin again.
          if (!continues(response, from)) await part.clear();
          for await (const chunk of response.body ?? []) {
            heard();
            await part.append(chunk.subarray(0, file.size - part.bytes));
            onBytes?.(part.bytes);
            if (part.bytes === file.size) break;
          }
        });
        if (part.bytes < file.size) throw client.cutShort(file.path, part.bytes, file.size);
      }
    }, () => part.bytes);
    const found = part.digest();
    if (file.digest === undefined || found === file.digest.value) {
      await part.finish(to);
      return;
    }
    await part.remove();
    onBytes?.(0);
    // The part that an earlier run left may be damaged, so the whole file is fetched once more.
    if (resumed && attempt === 1) continue;
    throw modelError(
      "download_hash",
      `${file.path} arrived with the hash ${found}, the hub lists ${file.digest.value}; it was thrown away, fetch it again`,
      { file: file.path, expected: file.digest.value, actual: found },
    );
  }
}

/**
 * Whether a response continues at byte `from`; false: it is the whole file. Throws OrreryError
 * `model/hub_failed` if it is another range.
 */
function continues(response: Response, from: number): boolean {
  if (response.status !== 206) return from === 0;
  const range = response.headers.get("content-range");
  if (/^bytes (\d+)-/.exec(range ?? "")?.[1] !== String(from)) {
    throw modelError(
      "hub_failed",
      `the host of the files answers with ${
        range ?? "no range"
      } where bytes from ${from} on were asked for`,
    );
  }
  return true;
}

/** A file that is being downloaded, hashed as it grows. */
class PartialFile implements Disposable {
  #bytes = 0;
  #hash: Hash;
  #closed = false;

  /** `path` is where the bytes are, `of` the file that they belong to, `file` the open handle. */
  private constructor(
    readonly path: string,
    readonly of: HubFile,
    readonly file: Deno.FsFile,
  ) {
    this.#hash = this.#fresh();
  }

  /** Opens the partial file that an earlier run left, or an empty one. */
  static async open(path: string, of: HubFile, signal?: AbortSignal): Promise<PartialFile> {
    const file = await Deno.open(path, { create: true, read: true, write: true });
    const part = new PartialFile(path, of, file);
    try {
      if ((await file.stat()).size > of.size) await part.clear();
      const buffer = new Uint8Array(READ_BYTES);
      for (let count; (count = await file.read(buffer)) !== null;) {
        signal?.throwIfAborted();
        part.#hash.update(buffer.subarray(0, count));
        part.#bytes += count;
      }
      return part;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Bytes so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Hash of the bytes so far, in the algorithm that the hub lists (else sha256). */
  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  /** Appends bytes. Throws OrreryError `model/disk_full` or `model/file_unwritable`. */
  async append(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.length;) {
        const count = await this.file.write(bytes.subarray(done));
        this.#hash.update(bytes.subarray(done, done + count));
        this.#bytes += count;
        done += count;
      }
    } catch (error) {
      const full = isNoSpace(error);
      throw modelError(
        full ? "disk_full" : "file_unwritable",
        full
          ? `the disk of ${this.path} is full at byte ${this.#bytes} of ${this.of.size}; make room and add the model again`
          : `${this.path} cannot be written: ${reasonOf(error)}`,
        { file: this.path },
      );
    }
  }

  /** Discards all bytes. */
  async clear(): Promise<void> {
    await this.file.truncate(0);
    await this.file.seek(0, Deno.SeekMode.Start);
    this.#bytes = 0;
    this.#hash = this.#fresh();
  }

  /** Closes the file and gives it its final path. */
  async finish(to: string): Promise<void> {
    await this.file.syncData();
    this[Symbol.dispose]();
    await Deno.rename(this.path, to);
  }

  /** Closes and deletes the file. */
  async remove(): Promise<void> {
    this[Symbol.dispose]();
    await Deno.remove(this.path);
  }

  [Symbol.dispose](): void {
    if (!this.#closed) this.file.close();
    this.#closed = true;
  }

  #fresh(): Hash {
    return this.of.digest?.algorithm === "git"
      ? createHash("sha1").update(`blob ${this.of.size}\0`) // how git hashes its objects
      : createHash("sha256");
  }
}
