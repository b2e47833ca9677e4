/**
 * Devices on paper: from a data sheet, or from a few measured layer times, to the tables of a
 * measured device.
 *
 * @module
 */
import { z } from "zod";
import { OrreryError } from "../../actors/mod.ts";
import type { Device, ModelShape, TimeTable } from "../types.ts";
import { tableSeconds } from "./table.ts";

const positive = z.number().positive().finite();
const byRows = z.record(z.string(), z.number().min(0).finite())
  .refine((times) => Object.keys(times).length > 0, "give at least one row count")
  .refine(
    (times) => Object.keys(times).every((rows) => /^[1-9]\d*$/.test(rows)),
    "row counts are whole numbers from 1",
  );

/** One device of a device file: `layer_seconds`, or `flops` and `memory_bandwidth`. */
export const describedDeviceSchema = z.object({
  name: z.string().min(1),
  /** What stages may use. Bytes. */
  memory_bytes: positive,
  /**
   * Operations a second (a multiply-add pair is two) that matrices of the model's precision reach.
   */
  flops: positive.optional(),
  /** Bytes a second that reading weights reaches. */
  memory_bandwidth: positive.optional(),
  /** Seconds of one layer by row count, with nothing before the rows. */
  layer_seconds: byRows.optional(),
  /** Seconds of the embedding by row count. @default by size, from the layer */
  embed_seconds: byRows.optional(),
  /** Seconds of final norm and head by row count. @default by size, from the layer */
  head_seconds: byRows.optional(),
  /** Fixed time of a frame at a stage. @default 0.0005 */
  frame_seconds: z.number().min(0).finite().optional(),
  /** What an engine takes besides weights and KV. @default 64 MiB */
  overhead_bytes: z.number().min(0).finite().optional(),
  /** May it see prompts and tokens in clear? @default true */
  trusted: z.boolean().optional(),
}).refine(
  (d) =>
    d.layer_seconds !== undefined || (d.flops !== undefined && d.memory_bandwidth !== undefined),
  "give layer_seconds, or flops and memory_bandwidth",
);

/** See {@linkcode describedDeviceSchema}. */
export type DescribedDevice = z.infer<typeof describedDeviceSchema>;

/** Time of one kernel launch or worker turn that no data sheet tells. Seconds. */
const FIXED_SECONDS = 20e-6;

/**
 * The device for a model: given layer times where there are any, else a roofline, the larger of
 * bytes moved over bandwidth and operations over peak. Throws group `planner`, code `bad_device`
 * for a description that does not say enough.
 */
export function describedDevice(described: DescribedDevice, model: ModelShape): Device {
  const parsed = describedDeviceSchema.safeParse(described);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new OrreryError({
      group: "planner",
      code: "bad_device",
      message: `device ${described.name}: ${
        issue.path.join(".") || "description"
      }: ${issue.message}`,
      metadata: { device: described.name, path: issue.path.map(String) },
    });
  }
  const d = parsed.data;
  const times = d.layer_seconds
    ? fromLayerTimes(d.layer_seconds, model)
    : roofline(d.flops!, d.memory_bandwidth!, model);
  return {
    name: d.name,
    memoryBytes: d.memory_bytes,
    overheadBytes: d.overhead_bytes ?? 64 * 2 ** 20,
    layer: times.layer,
    embed: d.embed_seconds ? flat(d.embed_seconds) : times.embed,
    head: d.head_seconds ? flat(d.head_seconds) : times.head,
    frameSeconds: d.frame_seconds ?? 0.0005,
    trusted: d.trusted ?? true,
  };
}

type Tables = Pick<Device, "layer" | "embed" | "head">;

function roofline(flops: number, bandwidth: number, model: ModelShape): Tables {
  const layerBytes = mean(model.layerBytes);
  const seconds = (bytes: number, macs: number) =>
    FIXED_SECONDS + Math.max(bytes / bandwidth, 2 * macs / flops);
  // the row count where a layer turns from reading weights to computing is a knot, or interpolation
  // would round the corner off
  const kink = model.macsPerRow > 0
    ? Math.round(layerBytes / bandwidth * flops / (2 * model.macsPerRow))
    : 0;
  const rows = rowAxis(model.context, kink);
  const past = pastAxis(model.context);
  return {
    layer: table(rows, past, (r, p) =>
      seconds(
        layerBytes + (p + r) * model.kvBytesPerRow,
        // within the frame a row attends to half of the rows on average
        r * (model.macsPerRow + (p + r / 2) * model.macsPerPastRow),
      )),
    embed: table(rows, [0], (r) => seconds(2 * r * model.hidden * 4, 0)),
    head: table(
      rows,
      [0],
      (r) => seconds(model.headBytes + r * model.vocab * 4, r * model.hidden * model.vocab),
    ),
  };
}

function fromLayerTimes(times: Record<string, number>, model: ModelShape): Tables {
  const given = flat(times);
  const { macsPerRow, macsPerPastRow, kvBytesPerRow } = model;
  const layerBytes = mean(model.layerBytes);
  const rows = given.rows;
  // the best rate seen tells what attention over more past costs, which was not measured
  const perMac = macsPerRow > 0
    ? Math.min(...rows.map((r, i) => given.seconds[i][0] / (r * macsPerRow)))
    : 0;
  const perByte = layerBytes > 0 ? tableSeconds(given, rows[0], 0) / layerBytes : 0;
  const layer = table(
    rows,
    pastAxis(model.context),
    (r, p) =>
      tableSeconds(given, r, 0) +
      p * Math.max(r * macsPerPastRow * perMac, kvBytesPerRow * perByte),
  );
  const macRatio = macsPerRow > 0 ? model.hidden * model.vocab / macsPerRow : 0;
  return {
    layer,
    embed: table(rows, [0], (r) => 2 * r * model.hidden * 4 * perByte),
    head: table(
      rows,
      [0],
      (r) => Math.max(tableSeconds(given, r, 0) * macRatio, perByte * model.headBytes),
    ),
  };
}

function flat(times: Record<string, number>): TimeTable {
  const rows = Object.keys(times).map(Number).sort((a, b) => a - b);
  return { rows, past: [0], seconds: rows.map((r) => [times[String(r)]]) };
}

function table(
  rows: number[],
  past: number[],
  seconds: (rows: number, past: number) => number,
): TimeTable {
  return { rows, past, seconds: rows.map((r) => past.map((p) => seconds(r, p))) };
}

function rowAxis(context: number, kink: number): number[] {
  const rows = new Set([1, 2]);
  for (let r = 4; r <= Math.max(512, context); r *= 2) rows.add(r);
  if (kink > 1 && kink < Math.max(...rows)) rows.add(kink);
  return [...rows].sort((a, b) => a - b);
}

function pastAxis(context: number): number[] {
  return [...new Set([0, Math.ceil(context / 4), Math.ceil(context / 2), context])];
}

function mean(values: number[]): number {
  return values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);
}
