/**
 * A blob that is fetched in pieces, in any order: `<dir>/blobs/<sha256>.part`.
 *
 *     the blob's bytes, pieces that are missing left out (zeros)
 *     one byte for each piece: 1 it is there, 0 it is not
 *     the footer, 32 bytes: "orrery-pieces " and the size of the blob
 *
 * A piece is written first and noted afterwards, so a process that dies has lost at most the pieces
 * under way. A power cut may lose bytes that were noted: the hash then says so, and the blob is
 * fetched again. Without a footer the file is a piece of the blob's beginning, or the whole blob.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { hashFile, removeIfThere, statIfThere, writeAll } from "./files.ts";
import { diskFull, freeBytes, isNoSpace } from "./disk.ts";

/** Bytes of a piece; the last one of a blob may be shorter. */
export const PIECE_BYTES = 512 * 1024;

const FOOTER_BYTES = 32;
const FOOTER_TEXT = "orrery-pieces ";
/** Milliseconds between two looks at a blob that another process fetches. */
const POLL_MS = 100;

/** Where a {@linkcode PartialBlob} lies; to be given by the folder of blobs. */
export interface PartialBlobPlace {
  sha256: string;
  /** Path of the whole blob. */
  path: string;
  /** Makes the path to which a blob with a wrong hash is moved. */
  aside(): string;
}

/** How a fetched blob ended. */
export type FetchedBlob =
  | { state: "whole" }
  /** Its bytes have another hash, `actual`; they now lie at `path`, which the caller deletes. */
  | { state: "wrong"; actual: string; path: string };

/** See the module's text. Nobody else writes it while it is open. */
export class PartialBlob implements Disposable {
  /** Bytes of the whole blob. */
  readonly bytes: number;
  readonly #place: PartialBlobPlace;
  readonly #flags: Uint8Array;
  #file: Deno.FsFile | undefined;
  /** Settles when the last write so far has: the file has one position. */
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(
    place: PartialBlobPlace,
    file: Deno.FsFile,
    flags: Uint8Array,
    bytes: number,
  ) {
    this.bytes = bytes;
    this.#place = place;
    this.#file = file;
    this.#flags = flags;
  }

  /**
   * Opens a blob of `bytes` bytes and finds what is there of it. Waits while somebody else has it
   * open. Undefined: the blob is whole already.
   */
  static async open(
    place: PartialBlobPlace,
    bytes: number,
    signal?: AbortSignal,
  ): Promise<PartialBlob | undefined> {
    const path = partPath(place.path);
    for (;; await delay(POLL_MS, undefined, { signal })) {
      signal?.throwIfAborted();
      if (await statIfThere(place.path)) return undefined;
      const file = await Deno.open(path, { create: true, read: true, write: true });
      try {
        // Whoever had it open may have finished or deleted it before we got the lock.
        if (await file.tryLock(true) && await isAt(file, path)) {
          if (await statIfThere(place.path)) {
            await removeIfThere(path);
            file.close();
            return undefined;
          }
          return new PartialBlob(place, file, await openFlags(file, bytes), bytes);
        }
      } catch (error) {
        file.close();
        throw error;
      }
      file.close();
    }
  }

  /** Number of pieces. */
  get pieces(): number {
    return this.#flags.length;
  }

  /** Whether a piece is there. */
  has(piece: number): boolean {
    return this.#flags[piece] === 1;
  }

  /** Offset of a piece, and its length. */
  range(piece: number): { offset: number; length: number } {
    const offset = piece * PIECE_BYTES;
    return { offset, length: Math.min(PIECE_BYTES, this.bytes - offset) };
  }

  /** Writes a piece. Throws OrreryError `model/disk_full`. */
  async write(piece: number, bytes: Uint8Array): Promise<void> {
    const write = this.#writing.then(async () => {
      if (!this.#file) return; // it was closed meanwhile: the piece counts as missing
      try {
        await writeAt(this.#file, piece * PIECE_BYTES, bytes);
        await writeAt(this.#file, this.bytes + piece, Uint8Array.of(1));
        this.#flags[piece] = 1;
      } catch (error) {
        if (!isNoSpace(error)) throw error;
        const { path } = this.#place;
        throw diskFull(path, bytes.length, await freeBytes(partPath(path)));
      }
    });
    this.#writing = write.catch(() => {});
    await write;
  }

  /**
   * Checks the hash of a blob whose pieces are all there, and gives it its name. The blob is then
   * closed, whatever its hash. `pause` is awaited after each part of the file that was hashed, with
   * the milliseconds that it took.
   */
  async finish(
    { signal, pause }: { signal?: AbortSignal; pause?: (ms: number) => Promise<void> } = {},
  ): Promise<FetchedBlob> {
    await this.#writing;
    const { path, sha256, aside } = this.#place;
    const part = partPath(path);
    const actual = await hashFile(part, { signal, pause, bytes: this.bytes });
    const file = this.#file!;
    if (actual !== sha256) {
      const kept = aside();
      await Deno.rename(part, kept);
      this[Symbol.dispose]();
      return { state: "wrong", actual: actual ?? "a file that is gone", path: kept };
    }
    await file.truncate(this.bytes);
    await file.syncData();
    await Deno.rename(part, path);
    this[Symbol.dispose]();
    return { state: "whole" };
  }

  /** Closes the file; what is there of the blob stays. */
  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = undefined;
  }
}

/** Path of a blob that is fetched, from its path when it is whole. */
export const partPath = (path: string): string => `${path}.part`;

/** Bytes that are there of the partly fetched blob with this path; 0: none. */
export async function partialBytes(path: string): Promise<number> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(partPath(path), { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
  using _closing = file;
  const { size } = await file.stat();
  const noted = await readFooter(file, size);
  if (noted === undefined) return size;
  const flags = await readAt(file, noted, piecesOf(noted));
  return flags.reduce(
    (sum, flag, i) => sum + (flag ? Math.min(PIECE_BYTES, noted - i * PIECE_BYTES) : 0),
    0,
  );
}

/** The pieces in which the first file differs from the second, which has the right bytes. */
export async function differingPieces(wrong: string, right: string): Promise<number[]> {
  using a = await Deno.open(wrong, { read: true });
  using b = await Deno.open(right, { read: true });
  const { size } = await b.stat();
  const differing: number[] = [];
  for (let piece = 0; piece * PIECE_BYTES < size; piece++) {
    const offset = piece * PIECE_BYTES;
    const length = Math.min(PIECE_BYTES, size - offset);
    const [x, y] = [await readAt(a, offset, length), await readAt(b, offset, length)];
    if (x.length !== y.length || x.some((byte, i) => byte !== y[i])) differing.push(piece);
  }
  return differing;
}

const piecesOf = (bytes: number): number => Math.ceil(bytes / PIECE_BYTES);

/** Reads which pieces are there, and makes the file ready for the others. */
async function openFlags(file: Deno.FsFile, bytes: number): Promise<Uint8Array> {
  const { size } = await file.stat();
  const pieces = piecesOf(bytes);
  if (size === bytes + pieces + FOOTER_BYTES && await readFooter(file, size) === bytes) {
    return await readAt(file, bytes, pieces);
  }
  const flags = new Uint8Array(pieces);
  if (size <= bytes) flags.fill(1, 0, size === bytes ? pieces : Math.floor(size / PIECE_BYTES));
  else await file.truncate(0); // it was begun with another size
  const footer = new Uint8Array(pieces + FOOTER_BYTES);
  footer.set(flags);
  footer.set(new TextEncoder().encode(footerText(bytes)), pieces);
  await writeAt(file, bytes, footer); // one write: a size without its footer would say "all there"
  return flags;
}

const footerText = (bytes: number): string =>
  FOOTER_TEXT + String(bytes).padEnd(FOOTER_BYTES - FOOTER_TEXT.length - 1) + "\n";

/** The size of the blob as the footer says; undefined: the file has none. */
async function readFooter(file: Deno.FsFile, size: number): Promise<number | undefined> {
  if (size < FOOTER_BYTES) return undefined;
  const text = new TextDecoder("latin1").decode(
    await readAt(file, size - FOOTER_BYTES, FOOTER_BYTES),
  );
  const bytes = Number(text.slice(FOOTER_TEXT.length));
  const whole = Number.isSafeInteger(bytes) && text === footerText(bytes);
  return whole && size === bytes + piecesOf(bytes) + FOOTER_BYTES ? bytes : undefined;
}

async function readAt(file: Deno.FsFile, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await file.seek(offset, Deno.SeekMode.Start);
  for (let filled = 0; filled < length;) {
    const n = await file.read(bytes.subarray(filled));
    if (n === null) return bytes.subarray(0, filled);
    filled += n;
  }
  return bytes;
}

async function writeAt(file: Deno.FsFile, offset: number, bytes: Uint8Array): Promise<void> {
  await file.seek(offset, Deno.SeekMode.Start);
  await writeAll(file, bytes);
}

/** Whether the open file is still the one at this path. */
async function isAt(file: Deno.FsFile, path: string): Promise<boolean> {
  const [open, there] = await Promise.all([file.stat(), statIfThere(path)]);
  return there !== undefined && open.ino === there.ino;
}
