/**
 * A log file that cannot fill the disk: at a size it becomes FILE.1, whose text before is lost.
 *
 * @module
 */

/** Bytes at which a new file is begun. */
const MAX_BYTES = 1_048_576;
/** Characters of the last line that are kept for messages. */
const LAST_CHARS = 400;

/** See the module's text. Errors of the disk are ignored: what is logged goes on. */
export class BoundedLog {
  readonly path: string;
  readonly #maxBytes: number;
  #file: Deno.FsFile | undefined;
  #bytes = 0;
  #last = "";
  #turn: Promise<void> = Promise.resolve();

  /** Nothing is opened before the first text. `maxBytes` is the size of one of the two files. */
  constructor(path: string, maxBytes: number = MAX_BYTES) {
    this.path = path;
    this.#maxBytes = maxBytes;
  }

  /** The last line that says something, shortened; "" before the first one. */
  get last(): string {
    return this.#last.trim().split("\n").at(-1)!.slice(-LAST_CHARS);
  }

  /** Appends some text; resolves when it is in the file. */
  write(chunk: Uint8Array): Promise<void> {
    this.#last = (this.#last + new TextDecoder().decode(chunk)).slice(-4 * LAST_CHARS);
    return this.#turn = this.#turn.then(() => this.#append(chunk)).catch(() => {});
  }

  /** Waits for what was written, and closes the file. */
  async close(): Promise<void> {
    await this.#turn;
    this.#file?.close();
    this.#file = undefined;
  }

  async #append(chunk: Uint8Array): Promise<void> {
    if (this.#file && this.#bytes + chunk.byteLength > this.#maxBytes) {
      this.#file.close();
      this.#file = undefined;
      await Deno.rename(this.path, `${this.path}.1`);
    }
    if (!this.#file) {
      this.#file = await Deno.open(this.path, { append: true, create: true, mode: 0o600 });
      this.#bytes = (await this.#file.stat()).size;
    }
    this.#bytes += chunk.byteLength;
    for (let at = 0; at < chunk.length;) at += await this.#file.write(chunk.subarray(at));
  }
}
