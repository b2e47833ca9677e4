/**
 * Plans how a pipeline is rebuilt after stages were replaced: see `pipeline/rebuild.ts`.
 *
 * @module
 */
import type { Frame, RealignMessage } from "../pipeline/mod.ts";
import type { Layout } from "./memory.ts";
import type { Row } from "./row_pool.ts";

/** Most rows of a frame that is run again: larger ones were not measured to be faster. */
const REBUILD_ROWS = 128;

/** Where a rebuilt stage has the rows of a frame in windowed layers. */
export interface RebuiltNear {
  /** Near slot of its first row. */
  base: number;
  /** What these layers keep before the frame runs; undefined: what they have. */
  layout?: Layout["near"];
}

/** A frame of rows that lost stages run again. */
export interface RebuildFrame {
  /** Index of the stage that has kept the rows' states; -1: the first stage runs the tokens. */
  from: number;
  frame: Frame;
}

/** What is to be done, in this order. */
export interface RebuildPlan {
  /** To every stage that is left. */
  realign: RealignMessage;
  /** Frames to be run again. */
  frames: RebuildFrame[];
}

/** Stages that must run the rows of an arena again, and where the rows come from. */
export interface RebuildSegment {
  /** Index of the stage that has kept the rows' states; -1: tokens. */
  from: number;
  /** Index of the last stage that runs them. */
  until: number;
  /** Indices of the stages that begin the arena anew. */
  fresh: number[];
}

/**
 * Which stages run rows again, where those of `lost` have nothing of the arena, and those of `gone`
 * have not kept the states that they sent: a stage behind one of these is rebuilt from further up.
 */
export function segmentsOf(
  stages: number,
  { lost, gone, anew = false }: {
    lost: ReadonlySet<number>;
    gone: ReadonlySet<number>;
    /**
     * A stage that runs rows again begins the arena anew, even if it has them: windowed layers do not
     * have what far rows attend to any more. @default false
     */
    anew?: boolean;
  },
): RebuildSegment[] {
  const segments: RebuildSegment[] = [];
  let from = -1;
  let fresh: number[] = [];
  const add = () => {
    if (fresh.length === 0) return;
    const until = fresh.at(-1)!;
    const all = Array.from({ length: until - from }, (_, i) => from + 1 + i);
    segments.push({ from, until, fresh: anew ? all : fresh });
  };
  for (let i = 0; i < stages; i++) {
    if (lost.has(i)) fresh.push(i);
    else if (!gone.has(i)) {
      add();
      [from, fresh] = [i, []];
    }
  }
  add();
  return segments;
}

/** Frames of these rows, which stand in slots 0, 1, 2 ..., for every segment. */
export function rebuildFrames(
  rows: readonly Row[],
  segments: readonly RebuildSegment[],
  { arena, floor, layout, near, nextSeq }: {
    arena: string;
    /** That of the realignment before them. */
    floor: number;
    /** Opens the arena where a stage begins it anew; it keeps no row. */
    layout: Layout;
    /** Where each of these frames, of so many rows, has its rows in windowed layers. @default nowhere */
    near?: (rows: number) => RebuiltNear[];
    nextSeq: () => number;
  },
): RebuildFrame[] {
  const none = new Int32Array(0);
  const nears = near?.(REBUILD_ROWS);
  return segments.flatMap(({ from, until, fresh }) =>
    Array.from({ length: Math.ceil(rows.length / REBUILD_ROWS) }, (_, i): RebuildFrame => {
      const base = i * REBUILD_ROWS;
      const some = rows.slice(base, base + REBUILD_ROWS);
      const keep = Int32Array.from({ length: base }, (_, slot) => slot);
      const kept = nears?.[i].layout;
      const laid = i === 0 || kept
        ? { layout: { ...layout, ...(i > 0 && { keep }), ...(kept && { near: kept }) } }
        : {};
      const frame: Frame = {
        arena,
        seq: nextSeq(),
        base,
        ...(nears && { near_base: nears[i].base }),
        tokens: Int32Array.from(some, (row) => row.token),
        positions: Int32Array.from(some, (row) => row.position),
        parents: Int32Array.from(some, (row) => row.parent?.slot ?? -1),
        want: none,
        want_samplers: none,
        ...laid,
        rebuild: {
          until,
          fresh: i === 0 ? fresh : [],
          floor,
          ...(i > 0 && laid.layout && { again: fresh }),
        },
      };
      return { from, frame };
    })
  );
}
