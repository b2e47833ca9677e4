/**
 * One file of a hub repository onto the disk: resumed where it stopped, checked before it gets its
 * name.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import { isNoSpace } from "../store/mod.ts";
import { modelError, reasonOf } from "../errors.ts";
import type { HubClient } from "./client.ts";

const READ_BYTES = 4 << 20;

/** A file as the hub lists it. */
export interface HubFile {
  /** Within the repository, with slashes. */
  path: string;
  /** Bytes. */
  size: number;
  /**
   * sha256 of its bytes (files in large file storage), else the git blob id; lower-case
   * hexadecimal.
   */
  digest?: { algorithm: "sha256" | "git"; value: string };
}

/** Options of {@linkcode fetchFile}. */
export interface FetchFileOptions {
  client: HubClient;
  /** Commit of the repository, 40 hexadecimal digits. */
  commit: string;
  /** Where the file goes; it grows under this name and `.part`. */
  to: string;
  /** Told how many of its bytes are here; fewer than before when they had to be thrown away. */
  onBytes?: (bytes: number) => void;
  signal?: AbortSignal;
}

/**
 * Fetches a file, or finds that it is here. Throws what the hub says, `download_hash` when its
 * bytes are not those that the hub lists (they are thrown away), `disk_full`.
 */
export async function fetchFile(file: HubFile, options: FetchFileOptions): Promise<void> {
  const { client, commit, to, signal, onBytes } = options;
  const here = await Deno.stat(to).catch(() => undefined);
  if (here?.isFile && here.size === file.size) return onBytes?.(file.size);
  for (let attempt = 1;; attempt++) {
    using part = await Part.open(`${to}.part`, file, signal);
    onBytes?.(part.bytes);
    const resumed = part.bytes > 0;
    await client.persist(async () => {
      while (part.bytes < file.size) {
        const from = part.bytes;
        await client.download(file.path, commit, from, async (response, heard) => {
          if (!continues(response, from)) await part.clear(); // the server knows no ranges: from the start
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
    // What an earlier run left may have been damaged since: then it is worth fetching the whole.
    if (resumed && attempt === 1) continue;
    throw modelError(
      "download_hash",
      `${file.path} arrived with the hash ${found}, the hub lists ${file.digest.value}; it was thrown away, fetch it again`,
      { file: file.path, expected: file.digest.value, actual: found },
    );
  }
}

/** Does this answer go on at byte `from`? Throws when it is another piece of the file. */
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

/** A file in the making, hashed as it grows. */
class Part implements Disposable {
  #bytes = 0;
  #hash: Hash;
  #closed = false;

  private constructor(
    readonly path: string,
    readonly of: HubFile,
    readonly file: Deno.FsFile,
  ) {
    this.#hash = this.#fresh();
  }

  /** Opens what an earlier run left, or nothing. */
  static async open(path: string, of: HubFile, signal?: AbortSignal): Promise<Part> {
    const file = await Deno.open(path, { create: true, read: true, write: true });
    const part = new Part(path, of, file);
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

  get bytes(): number {
    return this.#bytes;
  }

  digest(): string {
    return this.#hash.copy().digest("hex");
  }

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

  async clear(): Promise<void> {
    await this.file.truncate(0);
    await this.file.seek(0, Deno.SeekMode.Start);
    this.#bytes = 0;
    this.#hash = this.#fresh();
  }

  async finish(to: string): Promise<void> {
    await this.file.syncData();
    this[Symbol.dispose]();
    await Deno.rename(this.path, to);
  }

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
      ? createHash("sha1").update(`blob ${this.of.size}\0`) // as git names its objects
      : createHash("sha256");
  }
}
