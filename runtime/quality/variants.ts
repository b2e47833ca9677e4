/**
 * The ways of storing and computing a model whose quality is measured.
 *
 * @module
 */
import {
  type Calibration,
  endFormatFor,
  type ModelParts,
  type PartForm,
  type Precision,
} from "../../models/mod.ts";

/** A way of storing and computing a model. */
export interface Variant {
  /** Name in the table, e.g. `q4 calibrated`. */
  name: string;
  /** How its projections are stored. */
  layers: PartForm;
  /** How its embedding and LM head are stored. */
  vocabulary: PartForm;
  /** Arithmetic of quantised products: 4 rounds activations to int8, as a node does; 1 does not. */
  accuracyLevel: 1 | 4;
  /** Whether projections in q4 are calibrated. */
  calibrated?: boolean;
  /** Whether keys and values are rounded to int8. */
  roundedCache?: boolean;
  /** Another source of the same model. @default the reference */
  parts?: ModelParts;
}

/** Precisions below each. */
const BELOW: Record<Precision, Precision[]> = {
  f32: ["f16", "q8", "q4m", "q4"],
  f16: ["q8", "q4m", "q4"],
  q8: ["q4m", "q4"],
  q4m: [],
  q4: [],
};

/**
 * All ways that can be made from what a model holds. `beside` are other sources of it, by name, as
 * they are in exact arithmetic; then q4 is there in exact arithmetic too.
 */
export function variantsOf(
  { held }: ModelParts,
  beside: ReadonlyMap<string, ModelParts> = new Map(),
): Variant[] {
  const served = { accuracyLevel: 4 } as const;
  const at = (precision: Precision): Variant => ({
    name: precision,
    layers: precision,
    vocabulary: endFormatFor(precision),
    ...served,
  });
  const variants: Variant[] = [];
  if (held !== "f32") {
    variants.push({ name: `${held} as stored`, layers: "stored", vocabulary: "stored", ...served });
  }
  const below = BELOW[held].map(at);
  const calibrated = below.filter(({ name }) => name.startsWith("q4"))
    .map((variant): Variant => ({
      ...variant,
      name: `${variant.name} calibrated`,
      calibrated: true,
    }));
  variants.push(...below, ...calibrated);
  const best = variants.at(-1)!;
  const exact = beside.size === 0 ? [] : variants.filter(({ name }) => name.startsWith("q4"));
  return [
    ...variants,
    ...(held === "f32" ? [{ ...at("f32"), name: "f32, int8 KV", roundedCache: true }] : []),
    { ...best, name: `${best.name}, int8 KV`, roundedCache: true },
    ...exact.map((variant): Variant => ({
      ...variant,
      name: `${variant.name}, exact`,
      accuracyLevel: 1,
    })),
    ...[...beside].map(([name, parts]): Variant => ({
      name,
      layers: "f32",
      vocabulary: "f32",
      accuracyLevel: 1,
      parts,
    })),
  ];
}

/** Begins a calibration, once for all variants that need one. */
export type BeginCalibration = () => Promise<Calibration>;
