/**
 * Progress of long work on stderr: on a terminal one line that is redrawn, elsewhere a line for
 * every tenth of the work.
 *
 * @module
 */
/** Characters of the bar. */
const WIDTH = 24;
/** Least time between two drawings, in milliseconds. */
const REDRAW_MS = 100;

/** Where {@linkcode Progress} writes. */
export interface ProgressSink {
  /** Is it a terminal, on which a line can be redrawn? */
  terminal: boolean;
  /** Writes the text at once. */
  write(text: string): void;
}

const stderr: ProgressSink = {
  terminal: Deno.stderr.isTerminal(),
  write: (text) => void Deno.stderr.writeSync(new TextEncoder().encode(text)),
};

/** A number of bytes with a decimal unit, such as `1.2 GB`. */
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
  /** What the line is about; empty: there is no line. */
  #what = "";
  /** Tenths of the work that were reported, without a terminal. */
  #tenth = 0;
  /** Is there a line on the terminal that must be ended? */
  #drawn = false;
  /** When the line was last drawn, in milliseconds of `performance.now`. */
  #drawnAt = -Infinity;

  constructor(sink: ProgressSink = stderr) {
    this.#sink = sink;
  }

  /**
   * Shows that `done` of `total` units of the work `what` are done; `detail` says so in words. A
   * `what` other than the last one begins a new line.
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

/** Milliseconds after which waiting is shown, and between two drawings of it. */
const WAIT_MS = 1_000;

/**
 * Waits for what `work` resolves to. On a terminal a line says what is waited for and for how long,
 * from the first second on, and is gone at the end. Rejects with what `work` rejects with.
 */
export async function waitingFor<T>(
  what: string,
  work: Promise<T>,
  sink: ProgressSink = stderr,
): Promise<T> {
  if (!sink.terminal) return await work;
  const start = performance.now();
  const timer = setInterval(() => {
    sink.write(`\r\x1b[K${what}: ${Math.round((performance.now() - start) / 1000)} s`);
  }, WAIT_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    if (performance.now() - start >= WAIT_MS) sink.write("\r\x1b[K");
  }
}

/** Prints a line where {@linkcode waitingFor} shows what is waited for, which is then drawn below it. */
export function lineAbove(text: string, sink: ProgressSink = stderr): void {
  sink.write(`${sink.terminal ? "\r\x1b[K" : ""}${text}\n`);
}

/**
 * What `work` returns. On a terminal a line says what is done meanwhile: it computes without a
 * pause, so that nothing can be counted.
 */
export function announcing<T>(what: string, work: () => T, sink: ProgressSink = stderr): T {
  if (!sink.terminal) return work();
  sink.write(`${what} ...`);
  try {
    return work();
  } finally {
    sink.write("\r\x1b[K");
  }
}
