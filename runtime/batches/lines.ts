/**
 * The lines of a JSONL file, read piece by piece, and a file that grows by such lines.
 *
 * @module
 */
import { sizeOf, writeAll } from "./disk.ts";

/** A line of a file. */
export interface FileLine {
  /** Its number, from 1. */
  number: number;
  /** Its text; undefined: it is longer than was allowed. */
  text?: string;
}

/** The lines of a file that are not blank, without their ends; UTF-8, a mark at its begin is skipped. */
export async function* readLines(path: string, mostBytes: number): AsyncGenerator<FileLine> {
  using file = await Deno.open(path);
  const decoder = new TextDecoder();
  const piece = new Uint8Array(65_536);
  let text = "";
  let number = 0;
  let tooLong = false;
  for (;;) {
    const count = await file.read(piece);
    text += count === null
      ? decoder.decode()
      : decoder.decode(piece.subarray(0, count), { stream: true });
    const lines = text.split("\n");
    text = count === null ? "" : lines.pop()!;
    for (const line of lines) {
      number++;
      const long = tooLong || line.length > mostBytes;
      tooLong = false;
      if (long) yield { number };
      else if (line.trim() !== "") yield { number, text: line.trim() };
    }
    if (count === null) return;
    if (text.length > mostBytes) {
      tooLong = true;
      text = "";
    }
  }
}

/** A JSONL file that lines are appended to; each is on the disk before `append` resolves. */
export class LineFile implements Disposable {
  readonly #file: Deno.FsFile;
  /** The append under way; appends go one after the other. */
  #last: Promise<void> = Promise.resolve();

  private constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  /** Opens or creates it, and cuts off a line that a process wrote when it ended. */
  static async open(path: string): Promise<LineFile> {
    await cutTorn(path);
    return new LineFile(await Deno.open(path, { create: true, append: true, mode: 0o600 }));
  }

  /** Appends a value as a line of JSON. */
  append(value: unknown): Promise<void> {
    const bytes = new TextEncoder().encode(`${JSON.stringify(value)}\n`);
    const done = this.#last.then(async () => {
      await writeAll(this.#file, bytes);
      await this.#file.syncData();
    });
    this.#last = done.catch(() => {});
    return done;
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Cuts off what stands behind a file's last whole line; there may be no file. */
export async function cutTorn(path: string): Promise<void> {
  const whole = await wholeBytes(path);
  if (whole < await sizeOf(path)) await Deno.truncate(path, whole);
}

/** Bytes of a file up to the end of its last whole line. */
async function wholeBytes(path: string): Promise<number> {
  let at = await sizeOf(path);
  if (at === 0) return 0;
  using file = await Deno.open(path);
  const piece = new Uint8Array(65_536);
  while (at > 0) {
    const from = Math.max(0, at - piece.length);
    await file.seek(from, Deno.SeekMode.Start);
    let read = 0;
    while (read < at - from) {
      const count = await file.read(piece.subarray(read, at - from));
      if (count === null) break;
      read += count;
    }
    const end = piece.subarray(0, read).lastIndexOf(0x0a);
    if (end >= 0) return from + end + 1;
    at = from;
  }
  return 0;
}
