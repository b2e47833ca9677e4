/**
 * Time tables: turns noisy measurements into a function of rows and past that never falls.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";
import type { TimeTable } from "../types.ts";

/** Seconds below which a measurement counts as 0. */
const TINY = 1e-12;

/** Rounds of the alternating projections. */
const PROJECTIONS = 50;

/**
 * A clean table, extended beyond the measured points. Knot 0 of the rows is the fixed cost of a
 * frame, before its first row.
 */
interface Surface {
  /** 0, then the measured row counts, ascending. (n + 1) */
  knots: Float64Array;
  /** The measured past rows, ascending. (m) */
  past: Float64Array;
  /**
   * Seconds at each knot, one array for each measured past; the last array has the seconds that
   * each further past row adds. (m + 1)(n + 1)
   */
  columns: Float64Array[];
  /**
   * Seconds that each further row adds beyond the last knot, one for each array of `columns`. (m +
   * 1)
   */
  tails: Float64Array;
}

/** Surfaces of the tables that were used. */
const surfaces = new WeakMap<TimeTable, Surface>();

/**
 * Isotonic clean-up of noisy measurements: the nearest table, in relative error, that falls neither
 * with rows nor with past. A table that does not fall anyway is copied unchanged. Negative seconds
 * count as 0.
 *
 * It uses Dykstra's alternating projections over pool-adjacent-violators, on logarithms, so that 1
 * ms of 2 ms weighs as much as 1 s of 2 s. Throws group `planner`, code `bad_table` where axes do
 * not ascend, sizes disagree, or a number is not finite.
 */
export function cleanTable(table: TimeTable): TimeTable {
  checkTable(table);
  const { rows, past } = table;
  const seconds = table.seconds.map((line) => line.map((v) => Math.max(0, v)));
  if (isMonotone(seconds)) return { rows: [...rows], past: [...past], seconds };
  const [n, m] = [rows.length, past.length];
  let x = seconds.map((line) => line.map((v) => Math.log(Math.max(v, TINY))));
  let p = zeros(n, m);
  let q = zeros(n, m);
  for (let turn = 0; turn < PROJECTIONS; turn++) {
    const y = overRows(added(x, p));
    p = subtracted(added(x, p), y);
    const z = added(y, q).map(isotonic);
    q = subtracted(added(y, q), z);
    x = z;
  }
  // the projections leave errors far below the noise; a running maximum makes the table exactly
  // monotone
  const clean = x.map((line) => line.map((v) => (Math.exp(v) <= TINY * 1.001 ? 0 : Math.exp(v))));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) {
      clean[i][j] = Math.max(clean[i][j], i > 0 ? clean[i - 1][j] : 0, j > 0 ? clean[i][j - 1] : 0);
    }
  }
  return { rows: [...rows], past: [...past], seconds: clean };
}

/**
 * Seconds of a frame of `rows` rows with `past` rows before it, from measured points. Never
 * negative, and never falling in rows or past, whatever the table's noise. 0 rows take 0 seconds.
 *
 * Between points it is bilinear. Above the last row count, each row costs what a row of the last
 * rising segment costs. Below the first row count, it follows the line from the fixed cost (where
 * the first segment meets 0 rows, at least 0) to the first point; a single row count scales in
 * proportion. Beyond the last past it grows linearly, as attention does. A table is cleaned when it
 * is first used, and must not be changed afterwards. Throws `bad_table` as {@linkcode cleanTable}
 * does.
 */
export function tableSeconds(table: TimeTable, rows: number, past: number): number {
  if (!(rows > 0)) return 0;
  let surface = surfaces.get(table);
  if (!surface) surfaces.set(table, surface = surfaceOf(cleanTable(table)));
  const axis = surface.past;
  const last = axis.length - 1;
  if (past >= axis[last]) {
    return column(surface, last, rows) + (past - axis[last]) * column(surface, last + 1, rows);
  }
  if (past <= axis[0]) return column(surface, 0, rows);
  const j = below(axis, past);
  const part = (past - axis[j]) / (axis[j + 1] - axis[j]);
  return (1 - part) * column(surface, j, rows) + part * column(surface, j + 1, rows);
}

/** Seconds of one column at a row count. */
function column(surface: Surface, j: number, rows: number): number {
  const { knots } = surface;
  const values = surface.columns[j];
  const last = knots.length - 1;
  if (rows >= knots[last]) return values[last] + (rows - knots[last]) * surface.tails[j];
  const i = below(knots, rows);
  return values[i] + (values[i + 1] - values[i]) * (rows - knots[i]) / (knots[i + 1] - knots[i]);
}

/**
 * Index of the last knot that is not above `x`. The caller makes sure that `x` lies inside the
 * axis.
 */
function below(axis: Float64Array, x: number): number {
  let lo = 0;
  let hi = axis.length - 1;
  while (hi - lo > 1) {
    const mid = (lo + hi) >> 1;
    if (axis[mid] <= x) lo = mid;
    else hi = mid;
  }
  return lo;
}

/** Extends a clean table beyond the measured points. */
function surfaceOf({ rows, past, seconds }: TimeTable): Surface {
  const [n, m] = [rows.length, past.length];
  const knots = Float64Array.from([0, ...rows]);
  const columns = past.map((_, j) => Float64Array.from([0, ...seconds.map((line) => line[j])]));
  // the fixed cost with less past must not be above that with more, otherwise a short frame would
  // get cheaper with past
  for (let j = m - 1, limit = Infinity; j >= 0; j--) {
    limit = Math.min(limit, intercept(knots, columns[j]));
    columns[j][0] = limit;
  }
  const tails = Float64Array.from(columns, (values) => tail(knots, values));
  for (let j = 1; j < m; j++) tails[j] = Math.max(tails[j], tails[j - 1]);
  // growth for each past row, taken over the last half of the measured past, so that one noisy
  // column does not bend it
  let half = m - 1;
  while (half > 0 && (half === m - 1 || past[half] > past[m - 1] / 2)) half--;
  const span = m > 1 ? past[m - 1] - past[half] : 1;
  const growth = Float64Array.from(knots, (_, i) => (columns[m - 1][i] - columns[half][i]) / span);
  for (let i = 1; i <= n; i++) growth[i] = Math.max(growth[i], growth[i - 1]);
  columns.push(growth);
  return {
    knots,
    past: Float64Array.from(past),
    columns,
    tails: Float64Array.from([...tails, m > 1 ? tail(knots, growth) : 0]),
  };
}

/** Seconds at which the first segment meets 0 rows; at least 0. */
function intercept(knots: Float64Array, values: Float64Array): number {
  if (knots.length < 3) return 0;
  return Math.max(0, values[1] - knots[1] * (values[2] - values[1]) / (knots[2] - knots[1]));
}

/**
 * Seconds for each further row, from the last segment that rises. Pooled measurements leave flat
 * ends, which say nothing.
 */
function tail(knots: Float64Array, values: Float64Array): number {
  const last = knots.length - 1;
  for (let i = last - 1; i >= 0; i--) {
    if (values[i] < values[last]) return (values[last] - values[i]) / (knots[last] - knots[i]);
  }
  return 0;
}

/** The nearest sequence, in least squares, that does not fall (pool adjacent violators). */
export function isotonic(values: number[]): number[] {
  const means: number[] = [];
  const counts: number[] = [];
  for (const value of values) {
    means.push(value);
    counts.push(1);
    while (means.length > 1 && means[means.length - 2] > means[means.length - 1]) {
      const [b, nb] = [means.pop()!, counts.pop()!];
      const [a, na] = [means.pop()!, counts.pop()!];
      means.push((a * na + b * nb) / (na + nb));
      counts.push(na + nb);
    }
  }
  return means.flatMap((mean, i) => new Array<number>(counts[i]).fill(mean));
}

/** {@linkcode isotonic} along the rows, for each past. */
function overRows(x: number[][]): number[][] {
  return transposed(transposed(x).map(isotonic));
}

function transposed(x: number[][]): number[][] {
  return x[0].map((_, j) => x.map((line) => line[j]));
}

function added(x: number[][], y: number[][]): number[][] {
  return x.map((line, i) => line.map((v, j) => v + y[i][j]));
}

function subtracted(x: number[][], y: number[][]): number[][] {
  return x.map((line, i) => line.map((v, j) => v - y[i][j]));
}

function zeros(n: number, m: number): number[][] {
  return Array.from({ length: n }, () => new Array<number>(m).fill(0));
}

function isMonotone(seconds: number[][]): boolean {
  return seconds.every((line, i) =>
    line.every((v, j) => (i === 0 || seconds[i - 1][j] <= v) && (j === 0 || line[j - 1] <= v))
  );
}

/** Throws `bad_table`, see {@linkcode cleanTable}. */
function checkTable({ rows, past, seconds }: TimeTable): void {
  const bad = (what: string) => {
    throw new OrreryError({
      group: "planner",
      code: "bad_table",
      message: `time table: ${what}; measure the device again or correct its description`,
      metadata: { rows, past },
    });
  };
  const ascends = (axis: number[]) =>
    axis.length > 0 && axis.every((v, i) => Number.isFinite(v) && (i === 0 || axis[i - 1] < v));
  if (!ascends(rows) || rows[0] <= 0) bad(`rows must ascend from above 0, got [${rows}]`);
  if (!ascends(past) || past[0] < 0) bad(`past must ascend from 0 or above, got [${past}]`);
  if (seconds.length !== rows.length || seconds.some((line) => line.length !== past.length)) {
    bad(
      `seconds must be ${rows.length} x ${past.length}, got ${seconds.length} x ${
        seconds[0]?.length ?? 0
      }`,
    );
  }
  for (const [i, line] of seconds.entries()) {
    const j = line.findIndex((v) => !Number.isFinite(v));
    if (j >= 0) bad(`seconds of ${rows[i]} rows over ${past[j]} are ${line[j]}`);
  }
}
