/**
 * What the packed formats share: finding a tensor's parts, and reading its scales.
 *
 * @module
 */
import { modelError } from "../errors.ts";
import type { PlacedTensor, ReadBytes } from "./placed_tensor.ts";
import { firstNotFinite, isReadable, toFloat32 } from "./safetensors.ts";

/** An error about a packed tensor. */
export const packedError = (tensor: PlacedTensor, name: string, why: string) =>
  modelError("packed_tensor", `${tensor.file}, tensor ${name}: ${why}`, {
    file: tensor.file,
    tensor: name,
  });

/** Checks the element type and the shape of a part; `name` is the part's. */
export function checkPart(
  part: PlacedTensor,
  name: string,
  { dtype, shape }: { dtype: string; shape: readonly number[] },
): PlacedTensor {
  if (part.dtype !== dtype || part.shape.join() !== shape.join()) {
    throw packedError(
      part,
      name,
      `it is ${part.dtype} [${part.shape}] where its weight calls for ${dtype} [${shape}]`,
    );
  }
  return part;
}

/** Reads a whole tensor of scales as f32. Throws `packed_tensor` if one is not finite. */
export async function readScales(
  read: ReadBytes,
  tensor: PlacedTensor,
  name: string,
): Promise<Float32Array> {
  if (!isReadable(tensor.dtype)) {
    throw packedError(
      tensor,
      name,
      `its scales are ${tensor.dtype}; F32, F16 and BF16 are supported`,
    );
  }
  const scales = toFloat32(await read(tensor, 0, tensor.bytes), tensor.dtype);
  const bad = firstNotFinite(scales);
  if (bad >= 0) {
    throw packedError(tensor, name, `scale ${bad} is ${scales[bad]}; the checkpoint is damaged`);
  }
  return scales;
}

/** Tensors whose name ends so, with the name without that ending. */
export function endingWith(
  tensors: ReadonlyMap<string, PlacedTensor>,
  ending: string,
): [stem: string, tensor: PlacedTensor][] {
  return [...tensors].flatMap(([name, tensor]) =>
    name.endsWith(ending) ? [[name.slice(0, -ending.length), tensor]] : []
  );
}
