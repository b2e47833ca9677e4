/**
 * Converts a group of tensors of a checkpoint into one blob.
 *
 * @module
 */
import type { TensorSpec } from "../arch/mod.ts";
import { type Factors, type FactorWindows, quantiseCompensated } from "../calibration/mod.ts";
import type { BlobFolder, BlobWriter } from "./blobs.ts";
import { modelError } from "../errors.ts";
import {
  BLOCK,
  type Block,
  formatFor,
  type Group,
  type Precision,
  type TensorEntry,
  type TensorFormat,
} from "../manifest.ts";
import {
  blockFor,
  blocksOf,
  dividingBlock,
  type QuantisedRows,
  quantiseQ4,
  quantiseQ8,
  SYMMETRIC_PAIR,
  transposeInto,
} from "../quantise.ts";
import type { WeightSource } from "../sources/mod.ts";
import { quantisedTensor, readTensor } from "./tensor_parts.ts";

/**
 * Version of the stored bytes, part of a model's source hash: raise it when the same checkpoint
 * would give other bytes.
 */
export const CONVERTER_VERSION = 4;

/** Alignment in bytes of a part longer than this, so that it can be memory-mapped. */
const PAGE = 4096;
/** Alignment in bytes of a shorter part. */
const SMALL = 64;
/** Smallest magnitude that f16 rounds to infinity. */
const HALF_OVERFLOW = 65520;

/** A range of the blob, in bytes. */
type BlobRange = { offset: number; bytes: number };
/** The ranges of one tensor, and the block of a quantised one where it is not {@linkcode BLOCK}. */
type TensorRanges = { block?: Block; data: BlobRange; scales?: BlobRange; zeros?: BlobRange };

/** Roles of small matrices that are always f32, and stored transposed like projections. */
const ALWAYS_F32: readonly TensorSpec["role"][] = ["router", "kernel"];

/** Precisions of the tensors of a group by their role; a norm is always f32. */
export interface GroupFormats {
  /** Precision of projections. */
  precision: Precision;
  /** TensorFormat of embedding and LM head. */
  vocabulary: TensorFormat;
  /**
   * Inputs that share a scale, where they are a multiple of it. A tensor that is carried over from
   * a quantised checkpoint has a block of its own. @default as {@linkcode blockFor} says
   */
  block?: Block;
}

/** Options of {@linkcode convertGroup}. */
export interface ConvertGroupOptions extends GroupFormats {
  /** Of projections in q4 that are calibrated: what makes up for their errors. @default none are */
  factors?: Factors;
  signal?: AbortSignal;
  /** Called after each piece with the number of weights (elements) in it. */
  onWeights?: (count: number) => void;
}

function formatOf(
  { key, shape, role }: TensorSpec,
  { precision, vocabulary }: GroupFormats,
): TensorFormat {
  if (role === "norm" || ALWAYS_F32.includes(role)) return "f32";
  return role === "vocabulary" ? vocabulary : formatFor(key, shape, precision);
}

/** The format of a tensor, or q4 where that holds exactly what the source has. */
function keptFormat(source: WeightSource, spec: TensorSpec, options: GroupFormats): TensorFormat {
  const format = formatOf(spec, options);
  const raised = format === "q8" && options.precision !== "q8" && spec.role !== "vocabulary";
  return raised && quantisedTensor(source, spec, "q4") ? "q4" : format;
}

/** Inputs of a tensor that share a scale, once it is quantised. */
function blockOf(
  { key, shape }: TensorSpec,
  format: "q4" | "q8",
  { block }: GroupFormats,
): Block {
  return block ? dividingBlock(shape[1], block) : blockFor(key, shape[1], format);
}

/** Upper bound of the bytes of a group's blob. */
export function groupBytes(specs: TensorSpec[], formats: GroupFormats): number {
  return specs.reduce((sum, spec) => sum + tensorBytes(spec, formatOf(spec, formats)), 0);
}

/** Upper bound of the bytes of a tensor, gaps before its parts included. */
function tensorBytes({ shape }: TensorSpec, format: TensorFormat): number {
  const count = shape.reduce((a, b) => a * b, 1);
  if (format === "f32" || format === "f16") return count * (format === "f32" ? 4 : 2) + PAGE;
  const [outputs, inputs] = shape;
  const blocks = outputs * blocksOf(inputs, BLOCK);
  const zeros = format === "q4" ? outputs * Math.ceil(blocksOf(inputs, BLOCK) / 2) : 0;
  return blocks * (BLOCK * (format === "q4" ? 0.5 : 1) + 4) + zeros + 3 * PAGE;
}

/**
 * Writes a group's blob. It keeps in memory one piece of rows, the scales and zero points of a
 * quantised tensor and, of an f16 or f32 projection, which is stored transposed, the whole tensor.
 * Nothing is left behind when it fails or is aborted.
 */
export async function convertGroup(
  source: WeightSource,
  specs: TensorSpec[],
  blobs: BlobFolder,
  options: ConvertGroupOptions,
): Promise<Group> {
  await using writer = await blobs.create();
  const tensors: Record<string, TensorEntry> = {};
  for (const spec of specs) {
    const format = keptFormat(source, spec, options);
    const write = format === "q4" || format === "q8" ? writeQuantised : writeFloats;
    tensors[spec.key] = {
      shape: spec.shape,
      format,
      ...await write(source, spec, format, writer, options),
    };
  }
  return { ...await writer.finish(), tensors };
}

/** Pads the blob to where a part of this size may begin; returns the part's range. */
async function begin(writer: BlobWriter, bytes: number): Promise<BlobRange> {
  await writer.align(bytes > PAGE ? PAGE : SMALL);
  return { offset: writer.bytes, bytes };
}

async function writePart(writer: BlobWriter, bytes: Uint8Array): Promise<BlobRange> {
  const part = await begin(writer, bytes.length);
  await writer.write(bytes);
  return part;
}

async function writeQuantised(
  source: WeightSource,
  spec: TensorSpec,
  format: TensorFormat,
  writer: BlobWriter,
  options: ConvertGroupOptions,
): Promise<TensorRanges> {
  const { signal, onWeights } = options;
  const [outputs, inputs] = spec.shape;
  const as = format === "q4" ? "q4" : "q8";
  const carried = quantisedTensor(source, spec, as, { signal });
  const block = carried?.block ?? blockOf(spec, as, options);
  const blocks = blocksOf(inputs, block);
  const rowBytes = blocks * (format === "q4" ? block / 2 : block);
  const factors = format === "q4" ? options.factors?.get(spec.key) : undefined;
  const quantise = factors
    ? compensated(spec, rowBytes, factors)
    : (values: Float32Array, firstRow: number, rows: QuantisedRows): boolean =>
      (format === "q4" ? quantiseQ4 : quantiseQ8)(values, inputs, firstRow, rows);
  const scales = new Float32Array(outputs * blocks);
  const zeros = new Uint8Array(format === "q4" ? outputs * Math.ceil(blocks / 2) : 0).fill(
    SYMMETRIC_PAIR,
  );
  let codes = new Uint8Array();
  let asymmetric = false;
  const data = await begin(writer, outputs * rowBytes);
  for await (const piece of carried?.pieces ?? []) {
    scales.set(piece.scales, piece.firstRow * blocks);
    if (piece.zeros) {
      asymmetric = true;
      zeros.set(piece.zeros, piece.firstRow * Math.ceil(blocks / 2));
    }
    await writer.write(piece.codes);
    onWeights?.(piece.rows * inputs);
  }
  const pieces = carried ? [] : readTensor(source, spec, { signal });
  for await (const { firstRow, rows, values } of pieces) {
    if (codes.length < rows * rowBytes) codes = new Uint8Array(rows * rowBytes);
    asymmetric = quantise(values, firstRow, { block, codes, scales, zeros }) || asymmetric;
    await writer.write(codes.subarray(0, rows * rowBytes));
    onWeights?.(values.length);
  }
  const parts: TensorRanges = {
    ...(block === BLOCK ? {} : { block }),
    data,
    scales: await writePart(writer, bytesOf(scales)),
  };
  if (asymmetric) parts.zeros = await writePart(writer, zeros);
  return parts;
}

/**
 * Quantises the rows of a calibrated tensor piece by piece, from the first on. The factors belong
 * to equal shares of its rows; those of the share at hand are kept.
 */
function compensated(
  { shape: [outputs, inputs] }: TensorSpec,
  rowBytes: number,
  factors: readonly FactorWindows[],
): (values: Float32Array, firstRow: number, rows: QuantisedRows) => boolean {
  const each = outputs / factors.length;
  let share = -1;
  let windows: ReturnType<FactorWindows> = [];
  return (values, firstRow, { codes, ...rows }) => {
    const count = values.length / inputs;
    let asymmetric = false;
    for (let row = 0, next; row < count; row = next) {
      const at = Math.floor((firstRow + row) / each);
      next = Math.min(count, (at + 1) * each - firstRow);
      if (at !== share) windows = factors[share = at]();
      const some = values.subarray(row * inputs, next * inputs);
      const into = { ...rows, codes: codes.subarray(row * rowBytes, next * rowBytes) };
      asymmetric = quantiseCompensated(some, inputs, firstRow + row, into, windows) || asymmetric;
    }
    return asymmetric;
  };
}

async function writeFloats(
  source: WeightSource,
  spec: TensorSpec,
  format: TensorFormat,
  writer: BlobWriter,
  { signal, onWeights }: ConvertGroupOptions,
): Promise<TensorRanges> {
  const { name, shape, role } = spec;
  const count = shape.reduce((a, b) => a * b, 1);
  const allocate = (length: number) =>
    format === "f16" ? new Float16Array(length) : new Float32Array(length);
  const transposed = role === "projection" || ALWAYS_F32.includes(role)
    ? allocate(count)
    : undefined;
  const data = await begin(writer, count * (format === "f16" ? 2 : 4));
  for await (const { firstRow, values } of readTensor(source, spec, { signal })) {
    if (format === "f16") checkFitsHalf(values, name);
    if (transposed) {
      transposeInto(values, shape[1], firstRow, shape[0], transposed);
    } else {
      const elements = format === "f16" ? Float16Array.from(values) : values;
      await writer.write(bytesOf(elements));
    }
    onWeights?.(values.length);
  }
  if (transposed) await writer.write(bytesOf(transposed));
  return { data };
}

function checkFitsHalf(values: Float32Array, name: string): void {
  for (let i = 0; i < values.length; i++) {
    if (values[i] >= HALF_OVERFLOW || values[i] <= -HALF_OVERFLOW) {
      throw modelError(
        "weight_overflow",
        `tensor ${name} has a weight ${values[i]} that f16 cannot hold; choose f32`,
        { tensor: name, value: values[i] },
      );
    }
  }
}

const bytesOf = (view: Float32Array | Float16Array): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
