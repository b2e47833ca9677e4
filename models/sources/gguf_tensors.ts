/**
 * The tensors of a GGUF file, and how to undo what llama.cpp's converter did to their shapes, rows
 * and values.
 *
 * @module
 */
import { ggufError, type GgufHeader, type GgufTensor } from "./gguf.ts";
import type { GgufFamily } from "./gguf_family.ts";
import { rowsIn, type SourceTensor } from "./source.ts";

/** A tensor of the file, and how to undo what the converter did to it. */
export interface PlacedGgufTensor extends SourceTensor {
  gguf: GgufTensor;
  /**
   * Changes values in place back to those of the checkpoint; undefined: they are the same. Throws
   * OrreryError `model/gguf_malformed` for values that no checkpoint can have given.
   */
  undone?(values: Float32Array): void;
  /**
   * Rows of a head if llama.cpp reordered the rows within each head; undefined: they are not
   * reordered.
   */
  permutedBy?: number;
}

/** A matrix of one row, which the converter writes as a vector. */
const ONE_ROW = /\.ffn_gate_inp_shexp\.weight$/;
/** Vectors which the converter writes as a matrix in some families. */
const VECTOR = /\.(ssm_a|ssm_d|ssm_norm\.weight|exp_probs_b\.bias)$/;
/** How fast states decay. */
const DECAY = /\.ssm_a$/;
/** Gains of norms, but for those of states. */
const GAIN = /(?<!\.ssm_)norm\.weight$/;

/** The tensors of a file by their name there. Throws OrreryError `model/gguf_malformed`. */
export function placedTensors(
  header: GgufHeader,
  family: GgufFamily,
  headDim: number,
  path: string,
): Map<string, PlacedGgufTensor> {
  const placed = new Map<string, PlacedGgufTensor>();
  for (const gguf of header.tensors.values()) {
    const permuted = family.permuted && /\.attn_[qk]\.(weight|bias)$/.test(gguf.name);
    if (permuted && (headDim % 2 !== 0 || gguf.shape[0] % headDim !== 0)) {
      throw ggufError(
        "gguf_malformed",
        path,
        `its ${gguf.shape[0]} rows are no heads of ${headDim}`,
        gguf.name,
      );
    }
    placed.set(gguf.name, {
      dtype: gguf.type,
      shape: shapeOf(gguf),
      file: path,
      bytes: gguf.bytes,
      gguf,
      undone: undoing(gguf.name, family, path),
      permutedBy: permuted ? headDim : undefined,
    });
  }
  return placed;
}

/** The shape that the checkpoint's tensor has. */
function shapeOf({ name, shape }: GgufTensor): number[] {
  if (ONE_ROW.test(name) && shape.length === 1) return [1, ...shape];
  if (!VECTOR.test(name)) return shape;
  const { rows, width } = rowsIn(shape);
  return [shape.length === 1 ? rows : rows * width];
}

/** See {@linkcode PlacedGgufTensor.undone}. */
function undoing(
  name: string,
  { gainOffset }: GgufFamily,
  path: string,
): PlacedGgufTensor["undone"] {
  if (DECAY.test(name)) {
    return (values) => {
      for (let i = 0; i < values.length; i++) {
        if (!(values[i] < 0)) {
          throw ggufError(
            "gguf_malformed",
            path,
            `its value ${values[i]} is not below 0, as the decay of a state is`,
            name,
          );
        }
        values[i] = Math.log(-values[i]);
      }
    };
  }
  if (!gainOffset || !GAIN.test(name)) return undefined;
  return (values) => {
    for (let i = 0; i < values.length; i++) values[i] -= gainOffset;
  };
}

/**
 * Undoes llama.cpp's order of the rows in a head: its row 2i + half is row half * head / 2 + i of
 * Hugging Face; `head` is the rows of a head, `rowBytes` the bytes of a row.
 */
export function unpermuted(
  bytes: Uint8Array<ArrayBuffer>,
  rowBytes: number,
  head: number,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.length);
  const half = head / 2;
  for (let row = 0; row < bytes.length / rowBytes; row++) {
    const within = row % head, first = row - within;
    const from = first + 2 * (within % half) + Math.floor(within / half);
    out.set(bytes.subarray(from * rowBytes, (from + 1) * rowBytes), row * rowBytes);
  }
  return out;
}
