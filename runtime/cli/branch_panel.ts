/**
 * Branches of an outline side by side on a terminal, while they grow.
 *
 * @module
 */
import { columnsOf, WordWrap, wrappedLines } from "./word_wrap.ts";

/** Fewest columns of a branch. */
const LEAST_COLUMNS = 26;
/** What stands between two branches. */
const BETWEEN = " │ ";
/** What stands between two branches in the text: an empty line. */
const GAP = "\n\n";
/** Least milliseconds between two drawings. */
const REDRAW_MS = 60;
/** A branch that has not grown for so many milliseconds gives its place to one that grows. */
const STILL_MS = 1_500;

/** Whether a terminal of so many columns shows two branches side by side. */
export const isWide = (columns: number): boolean => columns >= 2 * LEAST_COLUMNS + BETWEEN.length;

/** Options of {@linkcode BranchPanel}. */
export interface BranchPanelOptions {
  /** Columns and rows of the terminal. */
  columns: number;
  rows: number;
  /** The time, milliseconds. @default performance.now */
  now?: () => number;
}

/** Collects the branches of an answer, and draws those that grow. */
export class BranchPanel {
  readonly #columns: number;
  readonly #rows: number;
  readonly #now: () => number;
  /** Text of each branch, by its index. */
  readonly #texts: string[] = [];
  /** When each branch grew last, milliseconds. */
  readonly #grewAt: number[] = [];
  /** Lines that stand on the terminal. */
  #drawn = 0;
  #drawnAt = -Infinity;

  constructor({ columns, rows, now = () => performance.now() }: BranchPanelOptions) {
    this.#columns = columns;
    this.#rows = rows;
    this.#now = now;
  }

  /** Adds text to a branch; what to print for it, "" where it is too soon to draw again. */
  add(branch: number, text: string): string {
    this.#texts[branch] = (this.#texts[branch] ?? "") + text;
    const now = this.#grewAt[branch] = this.#now();
    if (now - this.#drawnAt < REDRAW_MS) return "";
    this.#drawnAt = now;
    const lines = this.lines();
    const out = this.#erased() + lines.join("\n") + "\n";
    this.#drawn = lines.length;
    return out;
  }

  /** Removes the drawing; what to print: the whole answer, in order, broken at words. */
  end(): string {
    const wrap = new WordWrap(this.#columns);
    const out = this.#erased() + wrap.push(this.text()) + wrap.end();
    this.#drawn = 0;
    return out;
  }

  /** The answer so far, in order. */
  text(): string {
    return this.#texts.filter((text) => text !== undefined).join(GAP);
  }

  /** The drawing: the last lines of branches that grow, as many as there is room for. */
  lines(): string[] {
    const room = Math.floor((this.#columns + BETWEEN.length) / (LEAST_COLUMNS + BETWEEN.length));
    // The first ones that grow, so that the columns stay where they are until one has ended.
    const known = [...this.#texts.keys()].filter((b) => this.#texts[b] !== undefined);
    const still = (branch: number) => this.#now() - this.#grewAt[branch] >= STILL_MS;
    const [growing, ended] = [known.filter((b) => !still(b)), known.filter(still)];
    const rest = ended.sort((a, b) => this.#grewAt[b] - this.#grewAt[a]);
    const shown = [...growing, ...rest].slice(0, Math.max(1, room)).sort((a, b) => a - b);
    const width = Math.floor(
      (this.#columns - BETWEEN.length * (shown.length - 1)) / Math.max(1, shown.length),
    );
    const height = Math.max(3, this.#rows - 2);
    const columns = shown.map((branch) => {
      const all = wrappedLines(this.#texts[branch], width);
      // The first line is the branch's heading; of a long branch the end is seen.
      return all.length <= height ? all : [all[0], ...all.slice(1 - height)];
    });
    const lines = Math.max(0, ...columns.map((column) => column.length));
    return Array.from(
      { length: lines },
      (_, i) =>
        columns.map((column) => {
          const cell = column[i] ?? "";
          return cell + " ".repeat(Math.max(0, width - columnsOf(cell)));
        }).join(BETWEEN).trimEnd(),
    );
  }

  /** Moves the cursor to the drawing's begin, and clears from there. */
  #erased(): string {
    return this.#drawn > 0 ? `\x1b[${this.#drawn}A\r\x1b[J` : "";
  }
}
