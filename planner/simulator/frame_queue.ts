/**
 * Rows that wait for a slot, and which of them share the next frame.
 *
 * @module
 */
import { treeRows } from "./luck.ts";
import type { FramePart } from "./request.ts";

/** Is it a branch's own prompt? */
export function isBranchPrompt(part: FramePart): boolean {
  return part.lane !== undefined && part.lane.past === 0;
}

/**
 * First come, first served; but prompt pieces take turns with everything else, and what is alike
 * travels together.
 */
export class FrameQueue {
  #rowsPerFrame: number;
  #parts: FramePart[] = [];
  #lastWasPiece = false;

  /** `rowsPerFrame`: rows of a decode frame at most. */
  constructor(rowsPerFrame: number) {
    this.#rowsPerFrame = rowsPerFrame;
  }

  /** Takes rows that are ready. */
  push(part: FramePart): void {
    this.#parts.push(part);
  }

  /** Takes rows that were lost: before all others. */
  pushFirst(parts: FramePart[]): void {
    this.#parts.unshift(...parts);
  }

  /**
   * Takes the next frame's parts out; none: nothing waits.
   *
   * @param treeOf draft tree of a part's lane: a branch's prompt counts as the rows that the branch
   * will have later
   */
  next(treeOf: (part: FramePart) => number[]): FramePart[] {
    let at = 0;
    if (this.#lastWasPiece) at = Math.max(0, this.#parts.findIndex((p) => !p.piece));
    const first = this.#parts[at];
    if (!first) return [];
    this.#lastWasPiece = first.piece !== undefined;
    const parts = first.piece ? [first] : this.pack(this.#parts, { first, treeOf });
    this.#parts = this.#parts.filter((p) => !parts.includes(p));
    return parts;
  }

  /** Of a list, `first` and as many others of its sort as the plan's rows allow. */
  pack(
    among: FramePart[],
    { first, treeOf }: { first: FramePart; treeOf: (part: FramePart) => number[] },
  ): FramePart[] {
    const size = (p: FramePart) => isBranchPrompt(p) ? 1 + treeRows(treeOf(p)) : p.rows;
    const parts = [first];
    let rows = size(first);
    for (const part of among) {
      if (part === first || part.piece || isBranchPrompt(part) !== isBranchPrompt(first)) continue;
      if (rows + size(part) > this.#rowsPerFrame) continue;
      parts.push(part);
      rows += size(part);
    }
    return parts;
  }
}
