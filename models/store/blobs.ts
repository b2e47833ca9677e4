/**
 * Content-addressed files: `<dir>/blobs/<sha256>`. A blob appears under its name only when it is
 * whole; several processes may write to one folder at once.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import { join } from "node:path";
import { modelError, reasonOf } from "../errors.ts";
import { hashFile, removeIfThere, statIfThere, writeAll } from "./files.ts";
import { differingPieces, PartialBlob, partialBytes, partPath } from "./partial_blob.ts";

/** Age in milliseconds at which a temporary file is taken for one of a process that died: a day. */
const STALE_MS = 24 * 3600 * 1000;

/** A blob that is being written. Others do not see it before {@linkcode BlobWriter.finish}. */
export class BlobWriter implements AsyncDisposable {
  readonly #blobs: BlobFolder;
  readonly #path: string;
  readonly #hash: Hash = createHash("sha256");
  #file: Deno.FsFile | undefined;
  #bytes = 0;

  /** To be called by {@linkcode BlobFolder.create} only. */
  constructor(blobs: BlobFolder, path: string, file: Deno.FsFile) {
    this.#blobs = blobs;
    this.#path = path;
    this.#file = file;
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Appends bytes. Throws OrreryError `model/blob_closed` after the end. */
  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#file) {
      throw modelError("blob_closed", `${this.#path} was finished or given up before this write`);
    }
    this.#hash.update(bytes);
    await writeAll(this.#file, bytes);
    this.#bytes += bytes.length;
  }

  /** Pads with zeros to a multiple of `alignment` bytes. */
  async align(alignment: number): Promise<void> {
    const gap = (alignment - this.#bytes % alignment) % alignment;
    if (gap > 0) await this.write(new Uint8Array(gap));
  }

  /** Gives the blob its name; a blob that exists already stays as it is. */
  async finish(): Promise<{ sha256: string; bytes: number }> {
    await this.#file?.syncData();
    this.#file?.close();
    this.#file = undefined;
    const sha256 = this.#hash.digest("hex");
    await Deno.rename(this.#path, this.#blobs.path(sha256));
    return { sha256, bytes: this.#bytes };
  }

  /** Gives up what was not finished. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#file) return;
    this.#file.close();
    this.#file = undefined;
    await removeIfThere(this.#path);
  }
}

/** The blobs of a store. */
export class BlobFolder {
  /**
   * Absolute path of the folder; stage graphs lie in it too, since ONNX Runtime lets external data
   * lie only beside the graph.
   */
  readonly dir: string;
  readonly #temporary: string;

  private constructor(dir: string, temporary: string) {
    this.dir = dir;
    this.#temporary = temporary;
  }

  /**
   * Opens `<dir>/blobs`, which is created if absent, and removes the files that dead processes left
   * in `<dir>/tmp`. Throws OrreryError `model/store_unusable`.
   */
  static async open(dir: string): Promise<BlobFolder> {
    const folder = new BlobFolder(join(dir, "blobs"), join(dir, "tmp"));
    try {
      await Deno.mkdir(folder.dir, { recursive: true });
      await Deno.mkdir(folder.#temporary, { recursive: true });
      for await (const { name } of Deno.readDir(folder.#temporary)) {
        const path = join(folder.#temporary, name);
        const info = await statIfThere(path);
        if (info?.mtime && Date.now() - info.mtime.getTime() > STALE_MS) await removeIfThere(path);
      }
    } catch (error) {
      const why = `model store ${dir} cannot be used: ${reasonOf(error)}`;
      throw modelError("store_unusable", `${why}; --data names a folder that can be written to`, {
        file: dir,
      });
    }
    return folder;
  }

  /** Path of a blob, whether or not it exists. Throws OrreryError `model/blob_name`. */
  path(sha256: string): string {
    if (!/^[0-9a-f]{64}$/.test(sha256)) {
      throw modelError(
        "blob_name",
        `${JSON.stringify(sha256)} is not a sha256 in lower-case hexadecimal`,
      );
    }
    return join(this.dir, sha256);
  }

  /** Bytes of a blob; undefined when it does not exist. */
  async size(sha256: string): Promise<number | undefined> {
    return (await statIfThere(this.path(sha256)))?.size;
  }

  /** Bytes of a blob. Throws OrreryError `model/blob_missing` when it does not exist. */
  async sizeOfExisting(sha256: string): Promise<number> {
    const size = await this.size(sha256);
    if (size === undefined) throw blobMissing(sha256, "is not in the store of this node");
    return size;
  }

  /** Begins to write a blob whose hash is not known yet. */
  async create(): Promise<BlobWriter> {
    const path = this.temporaryPath();
    return new BlobWriter(this, path, await Deno.open(path, { createNew: true, write: true }));
  }

  /** A new path on the file system of the blobs, for a file that is then renamed into place. */
  temporaryPath(): string {
    return join(this.#temporary, `${Deno.pid}-${crypto.randomUUID()}`);
  }

  /** Hashes the bytes of a blob on disk; undefined when it does not exist. */
  async hash(sha256: string, signal?: AbortSignal): Promise<string | undefined> {
    return await hashFile(this.path(sha256), { signal });
  }

  /** Deletes a blob and its partial download; neither needs to exist. */
  async remove(sha256: string): Promise<void> {
    await removeIfThere(this.path(sha256));
    await removeIfThere(partPath(this.path(sha256)));
  }

  /** Bytes of a blob that were fetched so far; 0: none. */
  async partialBytes(sha256: string): Promise<number> {
    return await partialBytes(this.path(sha256));
  }

  /**
   * Opens a blob of `bytes` bytes that is fetched in pieces, with those that are there already.
   * Waits while somebody else has it open. Undefined: the blob is whole.
   */
  async openPartial(
    sha256: string,
    bytes: number,
    signal?: AbortSignal,
  ): Promise<PartialBlob | undefined> {
    const path = this.path(sha256);
    const aside = () => this.temporaryPath();
    return await PartialBlob.open({ sha256, path, aside }, bytes, signal);
  }

  /** Deletes a file that was put aside. */
  async discard(aside: string): Promise<void> {
    await removeIfThere(aside);
  }

  /**
   * The pieces in which a file that was put aside because of its hash differs from the blob, which
   * is whole by now. Deletes the file.
   */
  async differingPieces(aside: string, sha256: string): Promise<number[]> {
    const pieces = await differingPieces(aside, this.path(sha256));
    await removeIfThere(aside);
    return pieces;
  }
}

const blobMissing = (sha256: string, why: string) =>
  modelError("blob_missing", `blob ${sha256} ${why}`, { sha256 });
