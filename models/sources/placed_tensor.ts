/**
 * Tensors of a safetensors checkpoint: where they stand, and how those are read whose values are made
 * of several tensors of the file (codes with their scales, and perhaps zero points).
 *
 * @module
 */
import type { Block } from "../manifest.ts";
import type { QuantisedPiece, SourceTensor } from "./source.ts";

/** A tensor and the position of its first byte in the file. */
export interface PlacedTensor extends SourceTensor {
  offset: number;
  /** How its values are read, if they are made of several tensors. */
  packed?: PackedTensor;
  /** Why it cannot be read, though it belongs to a packed format. */
  unpacked?: string;
}

/** Reads bytes of a tensor, from byte `from` of it on. */
export type ReadBytes = (
  tensor: PlacedTensor,
  from: number,
  bytes: number,
) => Promise<Uint8Array<ArrayBuffer>>;

/** Codes and scales of some rows in a layout of ours. */
export type PackedCodes = Pick<QuantisedPiece, "codes" | "scales" | "zeros">;

/** Reads rows of a packed tensor. */
export interface PackedRows {
  /** Values f32 [rows, width], from row `firstRow` on. */
  values(firstRow: number, rows: number): Promise<Float32Array>;
  /** The same in a layout of which {@linkcode PackedTensor.exact} gives the block. */
  codes?(format: "q4" | "q8", firstRow: number, rows: number): Promise<PackedCodes>;
}

/** How a packed tensor is read. */
export interface PackedTensor {
  /** Inputs that share a scale in this layout, if it holds all values exactly; else undefined. */
  exact(format: "q4" | "q8"): Block | undefined;
  /**
   * Reads what all rows need. `name` is for messages. Throws OrreryError `model/packed_tensor`
   * where the tensors do not fit each other.
   */
  open(read: ReadBytes, name: string): Promise<PackedRows>;
}
