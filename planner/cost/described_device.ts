/**
 * Devices that a file describes: makes the time tables of a measured device from a data sheet or
 * from a few layer times.
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

/**
 * Schema of one device of a device file. It has `layer_seconds`, or `flops` and `memory_bandwidth`.
 */
export const describedDeviceSchema = z.object({
  /** Name of the device; unique in its file. */
  name: z.string().min(1),
  /** Bytes of its memory that stages may use. */
  memory_bytes: positive,
  /**
   * Floating point operations a second (a multiply-add is two) that matrices of the model's
   * precision reach.
   */
  flops: positive.optional(),
  /** Bytes a second at which weights are read. */
  memory_bandwidth: positive.optional(),
  /** Seconds of one layer by row count, with no rows before. */
  layer_seconds: byRows.optional(),
  /** Seconds of the embedding by row count. @default computed from the layer's times, by size */
  embed_seconds: byRows.optional(),
  /**
   * Seconds of final norm and head by row count. @default computed from the layer's times, by size
   */
  head_seconds: byRows.optional(),
  /** Seconds of a frame at a stage besides computing. @default 0.0005 */
  frame_seconds: z.number().min(0).finite().optional(),
  /** Bytes that an engine takes besides weights and KV cache. @default 64 MiB */
  overhead_bytes: z.number().min(0).finite().optional(),
  /** Whether it may hold an end of the model where `trusted_ends` is set. @default true */
  trusted: z.boolean().optional(),
}).refine(
  (d) =>
    d.layer_seconds !== undefined || (d.flops !== undefined && d.memory_bandwidth !== undefined),
  "give layer_seconds, or flops and memory_bandwidth",
);

/** See {@linkcode describedDeviceSchema}. */
export type DescribedDevice = z.infer<typeof describedDeviceSchema>;

/** Seconds of a kernel launch or worker turn, which data sheets do not give. */
const FIXED_SECONDS = 20e-6;

/** Default of `overhead_bytes`. */
const OVERHEAD_BYTES = 64 * 2 ** 20;
/** Default of `frame_seconds`. */
const FRAME_SECONDS = 0.0005;
/** Row counts of a described device's tables go up to this, or to the model's context. */
const MOST_ROWS = 512;
/** Bytes of one element of hidden states and logits in memory. */
const ELEMENT_BYTES = 4;

/**
 * The described device with its times for this model. Times follow the given layer times where
 * there are any. Otherwise they follow a roofline: the larger of bytes moved over bandwidth and
 * operations over peak. Throws group `planner`, code `bad_device` for a description that is not
 * complete or has a wrong value.
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
    overheadBytes: d.overhead_bytes ?? OVERHEAD_BYTES,
    layer: times.layer,
    embed: d.embed_seconds ? flat(d.embed_seconds) : times.embed,
    head: d.head_seconds ? flat(d.head_seconds) : times.head,
    frameSeconds: d.frame_seconds ?? FRAME_SECONDS,
    trusted: d.trusted ?? true,
  };
}

type DeviceTables = Pick<Device, "layer" | "embed" | "head">;

/** Time tables from operations and bytes a second. */
function roofline(flops: number, bandwidth: number, model: ModelShape): DeviceTables {
  const layerBytes = mean(model.layerBytes);
  const seconds = (bytes: number, macs: number) =>
    FIXED_SECONDS + Math.max(bytes / bandwidth, 2 * macs / flops);
  // the row count at which a layer turns from reading weights to computing is a knot, because
  // interpolation would otherwise round the corner off
  const kink = model.macsPerRow > 0
    ? Math.round(layerBytes / bandwidth * flops / (2 * model.macsPerRow))
    : 0;
  const rows = rowAxis(model.context, kink);
  const past = pastAxis(model.context);
  return {
    layer: table(rows, past, (r, p) =>
      seconds(
        layerBytes - unreadBytes(model, r) + (p + r) * model.kvBytesPerRow,
        // within the frame a row attends to half of the rows, on average
        r * (model.macsPerRow + (p + r / 2) * model.macsPerPastRow),
      )),
    embed: table(rows, [0], (r) => seconds(2 * r * model.hidden * ELEMENT_BYTES, 0)),
    head: table(
      rows,
      [0],
      (r) =>
        seconds(
          model.headBytes + r * model.vocab * ELEMENT_BYTES,
          r * model.hidden * model.vocab,
        ),
    ),
  };
}

/**
 * Bytes of a layer's experts that a frame of so many rows is not expected to read, if every expert
 * is as likely as the others.
 */
function unreadBytes({ experts }: ModelShape, rows: number): number {
  return experts ? experts.bytes * (1 - experts.active / experts.count) ** rows : 0;
}

/** Time tables from seconds of one layer by row count. */
function fromLayerTimes(times: Record<string, number>, model: ModelShape): DeviceTables {
  const given = flat(times);
  const { macsPerRow, macsPerPastRow, kvBytesPerRow } = model;
  const layerBytes = mean(model.layerBytes);
  const rows = given.rows;
  // the cost of attention over more past was not given; it is taken from the best rate of the layer
  // times
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
    embed: table(rows, [0], (r) => 2 * r * model.hidden * ELEMENT_BYTES * perByte),
    head: table(
      rows,
      [0],
      (r) => Math.max(tableSeconds(given, r, 0) * macRatio, perByte * model.headBytes),
    ),
  };
}

/** A time table that does not depend on past. */
function flat(times: Record<string, number>): TimeTable {
  const rows = Object.keys(times).map(Number).sort((a, b) => a - b);
  return { rows, past: [0], seconds: rows.map((r) => [times[String(r)]]) };
}

/** A time table of a function. */
function table(
  rows: number[],
  past: number[],
  seconds: (rows: number, past: number) => number,
): TimeTable {
  return { rows, past, seconds: rows.map((r) => past.map((p) => seconds(r, p))) };
}

/** Row counts of a table: powers of two, and `kink`. */
function rowAxis(context: number, kink: number): number[] {
  const rows = new Set([1, 2]);
  for (let r = 4; r <= Math.max(MOST_ROWS, context); r *= 2) rows.add(r);
  if (kink > 1 && kink < Math.max(...rows)) rows.add(kink);
  return [...rows].sort((a, b) => a - b);
}

/** Past rows of a table: quarters of the context. */
function pastAxis(context: number): number[] {
  return [...new Set([0, Math.ceil(context / 4), Math.ceil(context / 2), context])];
}

function mean(values: number[]): number {
  return values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);
}
