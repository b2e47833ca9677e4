/**
 * A group of tensors from a checkpoint into one blob.
 *
 * @module
 */
import type { TensorRole, TensorSpec } from "./arch/mod.ts";
import type { BlobFolder, BlobWriter } from "./blobs.ts";
import { modelError } from "./errors.ts";
import type { Group, Precision, TensorEntry } from "./manifest.ts";
import { BLOCK, blocksOf, quantiseQ4, quantiseQ8, transposeInto } from "./quantise.ts";
import type { WeightSource } from "./sources/mod.ts";

/** Goes into a model's source hash: raised whenever the same checkpoint would give other bytes. */
export const CONVERTER_VERSION = 1;

const PAGE = 4096;
const SMALL = 64;

type Part = { offset: number; bytes: number };

/** How a tensor is stored: norms as f32; embedding and LM head of a q4 model as q8; everything else in the model's precision. */
export function formatOf(role: TensorRole, precision: Precision): Precision {
  if (role === "norm") return "f32";
  return role === "vocabulary" && precision === "q4" ? "q8" : precision;
}

/** Options of {@linkcode convertGroup}. */
export interface ConvertGroupOptions {
  precision: Precision;
  signal?: AbortSignal;
  /** Called with the number of weights that were just done. */
  onWeights?: (count: number) => void;
}

/**
 * Writes a group's blob. At most one tensor (only a transposed f16 or f32 projection needs that) and one piece of rows are in
 * memory at a time. Nothing is left behind when it fails or is aborted.
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
    const format = formatOf(spec.role, options.precision);
    const write = format === "q4" || format === "q8" ? writeQuantised : writeFloats;
    tensors[spec.key] = { shape: spec.shape, format, ...await write(source, spec, format, writer, options) };
  }
  return { ...await writer.finish(), tensors };
}

/** Moves to where a part of this size may begin. */
async function begin(writer: BlobWriter, bytes: number): Promise<Part> {
  await writer.align(bytes > PAGE ? PAGE : SMALL);
  return { offset: writer.bytes, bytes };
}

async function writeQuantised(
  source: WeightSource,
  { name, shape }: TensorSpec,
  format: Precision,
  writer: BlobWriter,
  { signal, onWeights }: ConvertGroupOptions,
): Promise<{ data: Part; scales: Part }> {
  const [outputs, inputs] = shape;
  const blocks = blocksOf(inputs);
  const rowBytes = blocks * (format === "q4" ? BLOCK / 2 : BLOCK);
  const quantise = format === "q4" ? quantiseQ4 : quantiseQ8;
  const scaleValues = new Float32Array(outputs * blocks);
  const data = await begin(writer, outputs * rowBytes);
  let codes = new Uint8Array();
  for await (const { firstRow, rows, values } of source.read(name, shape, { signal })) {
    if (codes.length < rows * rowBytes) codes = new Uint8Array(rows * rowBytes);
    quantise(values, inputs, codes, scaleValues, firstRow * blocks);
    await writer.write(codes.subarray(0, rows * rowBytes));
    onWeights?.(values.length);
  }
  const scales = await begin(writer, scaleValues.byteLength);
  await writer.write(bytesOf(scaleValues));
  return { data, scales };
}

async function writeFloats(
  source: WeightSource,
  { name, shape, role }: TensorSpec,
  format: Precision,
  writer: BlobWriter,
  { signal, onWeights }: ConvertGroupOptions,
): Promise<{ data: Part }> {
  const count = shape.reduce((a, b) => a * b, 1);
  const allocate = (length: number) => format === "f16" ? new Float16Array(length) : new Float32Array(length);
  const transposed = role === "projection" ? allocate(count) : undefined;
  const data = await begin(writer, count * (format === "f16" ? 2 : 4));
  for await (const { firstRow, values } of source.read(name, shape, { signal })) {
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
    if (values[i] >= 65520 || values[i] <= -65520) {
      throw modelError(
        "weight_overflow",
        `tensor ${name} has a weight ${values[i]} that f16 cannot hold; choose f32`,
        {
          tensor: name,
          value: values[i],
        },
      );
    }
  }
}

const bytesOf = (view: Float32Array | Float16Array): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
