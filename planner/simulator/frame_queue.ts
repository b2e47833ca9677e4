/**
 * The rows that wait to be sent, and which of them share the next frame.
 *
 * @module
 */
import { treeRows } from "./luck.ts";
import type { FramePart } from "./request.ts";

/** Whether the part is of a prompt, of a request's or of a branch's. */
export const isPrompt = (part: FramePart): boolean =>
  part.piece !== undefined || isBranchPrompt(part);

/** Whether the part is a branch's own prompt. */
export function isBranchPrompt(part: FramePart): boolean {
  return part.lane !== undefined && part.lane.past === 0;
}

/**
 * A queue in the order of arrival, in which prompt pieces take turns with everything else, and
 * parts of one sort share frames.
 */
export class FrameQueue {
  #rowsPerFrame: number;
  #parts: FramePart[] = [];
  /** Whether the last frame was a prompt piece. */
  #lastWasPiece = false;

  /** `rowsPerFrame`: most rows of a decode frame. */
  constructor(rowsPerFrame: number) {
    this.#rowsPerFrame = rowsPerFrame;
  }

  /** Adds a part that is ready. */
  push(part: FramePart): void {
    this.#parts.push(part);
  }

  /** Adds parts that were lost, before all others. */
  pushFirst(parts: FramePart[]): void {
    this.#parts.unshift(...parts);
  }

  /** The first part of the next frame, which stays in the queue; undefined: nothing waits. */
  get first(): FramePart | undefined {
    const at = this.#lastWasPiece ? this.#parts.findIndex((p) => !p.piece) : 0;
    return this.#parts[Math.max(0, at)];
  }

  /**
   * Removes and returns the parts of the next frame; empty: nothing waits.
   *
   * @param treeOf returns the draft tree of a part's lane. A branch's prompt counts as the rows
   * that the branch will need later.
   */
  next(treeOf: (part: FramePart) => number[]): FramePart[] {
    const { first } = this;
    if (!first) return [];
    this.#lastWasPiece = first.piece !== undefined;
    const parts = first.piece ? [first] : this.pack(this.#parts, { first, treeOf });
    this.#parts = this.#parts.filter((p) => !parts.includes(p));
    return parts;
  }

  /** `first` and as many other parts of its sort as fit into one frame. */
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
