/**
 * Finds the packed tensors of a safetensors checkpoint.
 *
 * @module
 */
import type { Packing } from "../arch/mod.ts";
import { packAffine } from "./packed_affine.ts";
import { packFloat8 } from "./packed_float8.ts";
import { packBytes, packIntegers } from "./packed_integers.ts";
import { packMxfp4 } from "./packed_mxfp4.ts";
import type { PlacedTensor } from "./placed_tensor.ts";

/**
 * Puts packed tensors into `tensors`, each under the name that it would have if it were not packed
 * and with the shape of its values. Their parts stay there too. One whose parts do not fit is left
 * as it is, with the reason in `unpacked`.
 */
export function packTensors(tensors: Map<string, PlacedTensor>, packing: Packing): void {
  switch (packing.kind) {
    case "mxfp4":
      return packMxfp4(tensors);
    case "float8":
      return packFloat8(tensors, packing.block);
    case "bytes":
      return packBytes(tensors);
    case "integers":
      return packIntegers(tensors, packing);
    case "affine":
      return packAffine(tensors, packing);
  }
}
