/**
 * The paper's whole table: every cell of every system, published and predicted, errors, and
 * speed-ups of Jupiter.
 *
 * @module
 */
import { BASELINES, type Lacking, lackingWhole } from "./baselines/mod.ts";
import { WAYS } from "./baselines/collectives.ts";
import { paperFleet } from "./baselines/fleet.ts";
import type { Hardware } from "./hardware.ts";
import {
  BOARDS,
  type Cell,
  CELLS,
  type Environment,
  MODELS,
  type PaperModelSize,
  PROMPT,
  publishedSeconds,
  type SystemName,
  SYSTEMS,
  TOKENS,
} from "./published.ts";
import type { PaperRow } from "./table.ts";

/** One system in one cell of the table. */
export interface Prediction {
  /** Whether the boards were calibrated on this column. All other columns are predictions. */
  calibrated: boolean;
  /** Published seconds; null: out of memory. */
  published_s: number | null;
  predicted_s: number;
  /** (predicted - published) / published; null where nothing was published. */
  error: number | null;
  /**
   * Fastest and slowest: of the ways of a collective for the baselines, of the ablation's ranges
   * for Jupiter.
   */
  range_s: [number, number];
  /** How many times Jupiter is faster, as published; null where nothing was published. */
  published_ratio: number | null;
  /** How many times Jupiter is faster, both as predicted. */
  predicted_ratio: number;
  /** Boards that lack memory for it. `predicted_s` are the seconds if they did not. */
  lacking: Lacking[];
}

/** One line of the whole table. */
export interface WholeRow extends Pick<Cell, "environment" | "model" | "mbit"> {
  systems: Record<SystemName, Prediction>;
}

/** Predicts every system in every cell, from the rows of {@linkcode paperTable}. */
export function wholeTable(hardware: Hardware, rows: PaperRow[]): WholeRow[] {
  const request = { prompt: PROMPT, tokens: TOKENS };
  return rows.map((row) => {
    const { environment, model: size, mbit } = row;
    const model = MODELS[size];
    const seconds = (system: SystemName): Pick<Prediction, "predicted_s" | "range_s"> => {
      if (system === "jupiter") {
        const [slowest, fastest] = row.jupiter.range_s;
        return { predicted_s: row.jupiter.predicted_s, range_s: [fastest, slowest] };
      }
      if (system === "edgeshard") {
        const { predicted_s } = row.edgeshard;
        return { predicted_s, range_s: [predicted_s, predicted_s] };
      }
      const byWay = WAYS.map((way) =>
        BASELINES[system](paperFleet(hardware, { environment, mbit, way }), model, request).seconds
      );
      return {
        predicted_s: byWay[WAYS.indexOf("ring")],
        range_s: [Math.min(...byWay), Math.max(...byWay)],
      };
    };
    const predict = (system: SystemName): Prediction => {
      const published_s = publishedSeconds(row, system);
      const found = seconds(system);
      return {
        ...found,
        calibrated: system === "edgeshard",
        published_s,
        error: published_s === null ? null : found.predicted_s / published_s - 1,
        published_ratio: published_s === null ? null : published_s / row.jupiter_s,
        predicted_ratio: found.predicted_s / row.jupiter.predicted_s,
        lacking: system === "sp" ? lackingWhole(BOARDS[environment], model, request) : [],
      };
    };
    const systems = Object.fromEntries(SYSTEMS.map((s) => [s, predict(s)])) as WholeRow["systems"];
    return { environment, model: size, mbit, systems };
  });
}

/** Errors of a column over its published cells. */
export interface ColumnErrors {
  cells: number;
  /** Mean of the errors, whose signs cancel. */
  mean: number;
  /** Mean and largest of the errors without their signs. */
  meanAbsolute: number;
  largest: number;
}

/** Errors of one system's column. */
export function columnErrors(rows: WholeRow[], system: SystemName): ColumnErrors {
  const errors = rows.flatMap((row) => row.systems[system].error ?? []);
  const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
  const absolute = errors.map(Math.abs);
  return {
    cells: errors.length,
    mean: mean(errors),
    meanAbsolute: mean(absolute),
    largest: Math.max(...absolute),
  };
}

/** Seconds as a straight line over one over the bandwidth. */
export interface BandwidthLine {
  /** Seconds with links of no cost: what the boards compute. */
  compute_s: number;
  /** Bytes that the link of a board carries one after the other. */
  bytes: number;
}

/** The line with the least squares through points of Mbit/s and seconds. */
export function bandwidthLine(points: { mbit: number; seconds: number }[]): BandwidthLine {
  const xs = points.map(({ mbit }) => 8 / (mbit * 1e6));
  const ys = points.map(({ seconds }) => seconds);
  const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
  const [x0, y0] = [mean(xs), mean(ys)];
  const bytes = xs.reduce((sum, x, i) => sum + (x - x0) * (ys[i] - y0), 0) /
    xs.reduce((sum, x) => sum + (x - x0) ** 2, 0);
  return { compute_s: y0 - bytes * x0, bytes };
}

/** Where a system's error comes from: its lines as published and as predicted. */
export interface ErrorSource {
  environment: Environment;
  model: PaperModelSize;
  system: SystemName;
  published: BandwidthLine;
  predicted: BandwidthLine;
}

/** Lines of all systems that have published cells, through the cells that differ in Mbit/s. */
export function errorSources(rows: WholeRow[]): ErrorSource[] {
  const groups = Object.values(Object.groupBy(rows, (r) => `${r.environment} ${r.model}`));
  return SYSTEMS.flatMap((system) =>
    groups.flatMap((group): ErrorSource[] => {
      const [{ environment, model }] = group!;
      const cells = group!.map((r) => ({ mbit: r.mbit, ...r.systems[system] }));
      if (cells.some((cell) => cell.published_s === null)) return [];
      return [{
        environment,
        model,
        system,
        published: bandwidthLine(cells.map((c) => ({ mbit: c.mbit, seconds: c.published_s! }))),
        predicted: bandwidthLine(cells.map((c) => ({ mbit: c.mbit, seconds: c.predicted_s }))),
      }];
    })
  );
}

/** The cell of the paper's headline: Megatron-LM with 7B in environment A at 100 Mbit/s. */
export function headlineCell(rows: WholeRow[]): WholeRow {
  const { environment, model, mbit } = CELLS[0];
  return rows.find((r) => r.environment === environment && r.model === model && r.mbit === mbit)!;
}
