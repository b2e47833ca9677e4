/**
 * Shows on stdout how far a node is with fetching weights: on a terminal a line that is drawn again
 * at most once a second, elsewhere a line for every tenth.
 *
 * @module
 */
import pc from "picocolors";
import { fetchText } from "../../actors/mod.ts";
import type { NodeOptions } from "../node.ts";
import type { ProgressSink } from "./progress.ts";

/** Least milliseconds between two drawings. */
const REDRAW_MS = 1_000;
/** A fetch that takes less than this, in milliseconds, is not shown. */
const SHORT_MS = 1_000;

const stdout: ProgressSink = {
  terminal: Deno.stdout.isTerminal(),
  write: (text) => void Deno.stdout.writeSync(new TextEncoder().encode(text)),
};

/** A step of a fetch; undefined: the fetch is over. */
type FetchStep = Parameters<NonNullable<NodeOptions["onFetch"]>>[0];

/** See the module's text. Call {@linkcode FetchLines.end} before anything else is printed. */
export class FetchLines {
  readonly #sink: ProgressSink;
  readonly #now: () => number;
  /** The fetch that is shown: its model, and whether somebody waits for it; "": none. */
  #what = "";
  #beganAt = 0;
  #drawnAt = -Infinity;
  #tenth = 0;
  /** Is there a line on the terminal that must be ended? */
  #open = false;

  /** `now`: milliseconds of a clock. */
  constructor(sink: ProgressSink = stdout, now: () => number = () => performance.now()) {
    this.#sink = sink;
    this.#now = now;
  }

  /** Shows a step of a fetch. */
  show(progress: FetchStep): void {
    if (!progress) return this.#over();
    const { model, doneBytes, totalBytes, bytesPerS, peers, background } = progress;
    const now = this.#now();
    const what = `${background ? "copy" : "fetch"} ${model}`;
    if (what !== this.#what) {
      this.#over();
      this.#what = what;
      this.#beganAt = now;
    }
    if (now - this.#beganAt < SHORT_MS || now - this.#drawnAt < REDRAW_MS) return;
    const tenth = Math.floor(10 * doneBytes / Math.max(1, totalBytes));
    if (!this.#sink.terminal && tenth <= this.#tenth) return;
    this.#tenth = tenth;
    this.#drawnAt = now;
    const facts = {
      done_bytes: doneBytes,
      total_bytes: totalBytes,
      bytes_per_s: bytesPerS,
      peers,
    };
    const line = `${pc.bold(background ? "copy " : "fetch")}    ${model}: ${fetchText(facts)}`;
    this.#sink.write(this.#sink.terminal ? `\r\x1b[K${line}` : `${line}\n`);
    this.#open = this.#sink.terminal;
  }

  /** Ends the line on the terminal. */
  end(): void {
    if (this.#open) this.#sink.write("\n");
    this.#open = false;
  }

  #over(): void {
    this.end();
    this.#what = "";
    this.#tenth = 0;
    this.#drawnAt = -Infinity;
  }
}
