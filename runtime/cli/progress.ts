/**
 * How far something long is, on stderr: one line that is written over on a terminal, a line for
 * every tenth elsewhere.
 *
 * @module
 */
const WIDTH = 24;
const REDRAW_MS = 100;

/** Where {@linkcode Progress} writes. */
export interface ProgressSink {
  /** Can a line be written over? */
  terminal: boolean;
  write(text: string): void;
}

const stderr: ProgressSink = {
  terminal: Deno.stderr.isTerminal(),
  write: (text) => void Deno.stderr.writeSync(new TextEncoder().encode(text)),
};

/** Bytes as people read them, e.g. `1.2 GB`. */
export function humanBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(
    units.length - 1,
    Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)),
  );
  return step === 0
    ? `${bytes} B`
    : `${(bytes / 1000 ** step).toFixed(bytes / 1000 ** step < 10 ? 1 : 0)} ${units[step]}`;
}

/** A progress line. Call {@linkcode Progress.end} before anything else is printed. */
export class Progress {
  readonly #sink: ProgressSink;
  #what = "";
  #tenth = 0;
  #drawn = false;
  #drawnAt = -Infinity;

  constructor(sink: ProgressSink = stderr) {
    this.#sink = sink;
  }

  /**
   * `done` of `total` of this; `detail` says it in units. Another `what` than before begins a new
   * line.
   */
  show(what: string, done: number, total: number, detail: string): void {
    const share = total > 0 ? Math.min(1, done / total) : 1;
    if (what !== this.#what) {
      this.end();
      this.#what = what;
    }
    if (!this.#sink.terminal) {
      const tenth = Math.floor(share * 10);
      if (tenth > this.#tenth) this.#sink.write(`${what}: ${tenth * 10} % (${detail})\n`);
      this.#tenth = tenth;
      return;
    }
    const now = performance.now();
    if (share < 1 && now - this.#drawnAt < REDRAW_MS) return;
    const full = Math.round(share * WIDTH);
    const percent = `${Math.floor(share * 100)}`.padStart(3);
    this.#sink.write(
      `\r\x1b[K${what} [${"#".repeat(full)}${"-".repeat(WIDTH - full)}] ${percent} % ${detail}`,
    );
    this.#drawn = true;
    this.#drawnAt = now;
  }

  /** Ends the line. */
  end(): void {
    if (this.#drawn) this.#sink.write("\n");
    this.#drawn = false;
    this.#drawnAt = -Infinity;
    this.#tenth = 0;
    this.#what = "";
  }
}
