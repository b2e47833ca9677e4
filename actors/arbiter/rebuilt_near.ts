/**
 * What windowed layers of a rebuilt stage keep while its rows run again, frame by frame: the rows that
 * later frames attend to, and those that the other stages have.
 *
 * @module
 */
import type { NearRows } from "./near_rows.ts";
import type { RebuiltNear } from "./rebuild.ts";
import type { Row } from "./row_pool.ts";

/**
 * For frames of `size` of these rows each, which stand in slots 0, 1, 2 ..., parents first. There is as
 * much room as the other stages have, or more if that is not enough.
 */
export function rebuiltNear(
  rows: readonly Row[],
  { window, capacity, standing }: Pick<NearRows, "window" | "capacity" | "standing">,
  size: number,
): RebuiltNear[] {
  const last = lastFrames(rows, window, size);
  for (const row of standing) if (row.slot < rows.length) last[row.slot] = Infinity;
  const frames = Array.from({ length: Math.ceil(rows.length / size) }, (_, i) => ({
    base: i * size,
    rows: Math.min(size, rows.length - i * size),
  }));
  /** Slots before a frame that it or a later one attends to, or that stay. */
  const keptAt = (frame: number) =>
    Array.from({ length: frames[frame].base }, (_, slot) => slot)
      .filter((slot) => last[slot] >= frame);
  const most = Math.max(capacity, ...frames.map((frame, i) => keptAt(i).length + frame.rows));
  let end = 0;
  return frames.map((frame, i) => {
    const kept = i > 0 && end + frame.rows > most ? keptAt(i) : undefined;
    if (kept) end = kept.length;
    const base = end;
    end += frame.rows;
    const layout = i === 0
      ? { capacity: most, keep: new Int32Array(0) }
      : kept && { capacity: most, keep: Int32Array.from(kept) };
    return { base, ...(layout && { layout }) };
  });
}

/** The last frame that attends to each row in windowed layers, by slot. */
function lastFrames(rows: readonly Row[], window: number, size: number): Float64Array {
  const last = new Float64Array(rows.length);
  for (const [slot, { position, parent }] of rows.entries()) {
    const frame = Math.floor(slot / size);
    last[slot] = frame;
    // Behind a parent in the frame a row attends to nothing else that stands before the frame.
    if (!parent || parent.slot >= frame * size) continue;
    let row: Row | undefined = parent;
    for (; row && row.position > position - window; row = row.parent) last[row.slot] = frame;
  }
  return last;
}
