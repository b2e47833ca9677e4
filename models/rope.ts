/**
 * Rotary position embedding: the frequencies under every supported scaling, and the cos/sin tables
 * of a stage graph. The formulas are those of transformers' `modeling_rope_utils`.
 *
 * @module
 */
import { z } from "zod";
import { modelError } from "./errors.ts";
import type { Geometry } from "./manifest.ts";

const positive = z.number().positive();
const length = z.number().int().positive();
const linearSchema = z.object({ factor: positive });
const llama3Schema = z.object({
  factor: positive,
  low_freq_factor: positive,
  high_freq_factor: positive,
  original_max_position_embeddings: length,
}).refine(
  (s) => s.high_freq_factor > s.low_freq_factor,
  "high_freq_factor must be above low_freq_factor",
);
const yarnSchema = z.object({
  factor: positive,
  original_max_position_embeddings: length,
  attention_factor: positive.nullish(),
  beta_fast: positive.nullish(),
  beta_slow: positive.nullish(),
  mscale: z.number().nonnegative().nullish(),
  mscale_all_dim: z.number().nonnegative().nullish(),
  truncate: z.boolean().nullish(),
});
const longropeSchema = z.object({
  factor: positive,
  short_factor: z.array(positive),
  long_factor: z.array(positive).nullish(),
  original_max_position_embeddings: length,
  attention_factor: positive.nullish(),
});

/** Scalings of rotary embedding that {@linkcode rotation} supports. */
export const ROPE_SCALINGS: readonly string[] = [
  "default",
  "linear",
  "dynamic",
  "yarn",
  "longrope",
  "llama3",
];

/** By which angles the pairs of dimensions of a head are rotated. */
export interface RotaryAngles {
  /** Angle of each pair of dimensions per position, in radians: (dims / 2) in f64. */
  frequencies: Float64Array;
  /** Factor of cos and sin, and so of rotated queries and keys. */
  magnitude: number;
}

/** The part of a geometry that {@linkcode rotation} needs. */
export interface RotaryGeometry {
  /** Number of dimensions of a head that are rotated; even. */
  dims: number;
  /** Base of the frequencies. */
  theta: number;
  /** Hugging Face's `rope_scaling`; null: none. */
  scaling: Record<string, unknown> | null;
  /** As in the geometry. @default false */
  long?: boolean;
}

/**
 * How the layers with a sliding window (`local`) or the other layers (`global`) are rotated. Local
 * layers without a rotation of their own rotate as the others do.
 */
export function rotaryOf(
  { head_dim, rope, local }: Geometry,
  which: "global" | "local",
): RotaryGeometry {
  const own = which === "local" ? local?.rope : undefined;
  return {
    dims: rope.dims ?? head_dim,
    theta: (own ?? rope).theta,
    scaling: (own ?? rope).scaling,
    ...(!own && rope.long ? { long: true } : {}),
  };
}

/**
 * Computes the angles of a rotation.
 *
 * `dynamic` and `longrope` rotate all rows differently once a text is longer than the original
 * length. The angles returned here are those for texts up to it, at which a geometry's context ends,
 * or with `long` those for longer ones.
 *
 * Throws OrreryError `model/feature_unsupported` for an unknown scaling and `model/bad_rope` for a
 * scaling with bad fields.
 */
export function rotation({ dims, theta, scaling, long }: RotaryGeometry): RotaryAngles {
  const plain = Float64Array.from({ length: dims / 2 }, (_, i) => theta ** (-2 * i / dims));
  const kind = String(scaling?.rope_type ?? scaling?.type ?? "default");
  switch (kind) {
    case "default":
    case "dynamic":
      return { frequencies: plain, magnitude: 1 };
    case "linear": {
      const { factor } = parse(linearSchema, scaling, kind);
      return { frequencies: plain.map((f) => f / factor), magnitude: 1 };
    }
    case "llama3": {
      const fields = parse(llama3Schema, scaling, kind);
      return { frequencies: plain.map((f) => llama3Frequency(f, fields)), magnitude: 1 };
    }
    case "yarn":
      return yarn(plain, theta, parse(yarnSchema, scaling, kind));
    case "longrope":
      return longrope(plain, parse(longropeSchema, scaling, kind), long ? "long" : "short");
    default:
      throw modelError(
        "feature_unsupported",
        `rope_scaling of type ${JSON.stringify(kind)} is not supported; known types are ${
          ROPE_SCALINGS.join(", ")
        }`,
        { type: kind },
      );
  }
}

/**
 * Frequency of a pair under Llama 3's scaling: long wavelengths are stretched by `factor`, short
 * ones are kept, and those between are blended.
 */
function llama3Frequency(frequency: number, scaling: z.infer<typeof llama3Schema>): number {
  const { factor, low_freq_factor: low, high_freq_factor: high } = scaling;
  const turns = scaling.original_max_position_embeddings * frequency / (2 * Math.PI);
  if (turns < low) return frequency / factor;
  if (turns > high) return frequency;
  const share = (turns - low) / (high - low);
  return (1 - share) * frequency / factor + share * frequency;
}

/**
 * Angles under YaRN: pairs that turn more than `beta_fast` times within the original length are
 * kept, pairs that turn fewer than `beta_slow` times are stretched.
 */
function yarn(
  plain: Float64Array,
  theta: number,
  scaling: z.infer<typeof yarnSchema>,
): RotaryAngles {
  const { factor, original_max_position_embeddings: original, mscale, mscale_all_dim } = scaling;
  const dims = 2 * plain.length;
  const pairWithTurns = (turns: number) =>
    dims * Math.log(original / (turns * 2 * Math.PI)) / (2 * Math.log(theta));
  let low = pairWithTurns(scaling.beta_fast ?? 32);
  let high = pairWithTurns(scaling.beta_slow ?? 1);
  if (scaling.truncate ?? true) [low, high] = [Math.floor(low), Math.ceil(high)];
  low = Math.max(low, 0);
  high = Math.min(high, dims - 1);
  if (low === high) high += 0.001;
  const frequencies = plain.map((f, pair) => {
    const stretched = Math.min(Math.max((pair - low) / (high - low), 0), 1);
    return f / factor * stretched + f * (1 - stretched);
  });
  const magnitudeOf = (weight: number) => factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1;
  const suggested = mscale && mscale_all_dim
    ? magnitudeOf(mscale) / magnitudeOf(mscale_all_dim)
    : magnitudeOf(1);
  return { frequencies, magnitude: scaling.attention_factor ?? suggested };
}

/** Angles under longrope: each pair is stretched by a factor of its own. */
function longrope(
  plain: Float64Array,
  scaling: z.infer<typeof longropeSchema>,
  texts: "short" | "long",
): RotaryAngles {
  const { factor, original_max_position_embeddings: original } = scaling;
  const factors = scaling[`${texts}_factor`] ?? [];
  if (factors.length !== plain.length) {
    throw badRope(
      "longrope",
      `${texts}_factor: has ${factors.length} numbers for ${plain.length} pairs`,
    );
  }
  const suggested = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
  return {
    frequencies: plain.map((f, pair) => f / factors[pair]),
    magnitude: scaling.attention_factor ?? suggested,
  };
}

function parse<T>(schema: z.ZodType<T>, scaling: unknown, kind: string): T {
  const result = schema.safeParse(scaling);
  if (result.success) return result.data;
  const issues = result.error.issues.map((i) =>
    `${i.path.join(".") || "rope_scaling"}: ${i.message}`
  );
  throw badRope(kind, issues.join("; "));
}

function badRope(kind: string, what: string): Error {
  return modelError("bad_rope", `rope_scaling of type ${kind} is malformed (${what})`);
}

/** Which table, and which rows of it. */
export interface TableRows {
  /** The function of the angle. */
  wave: "cos" | "sin";
  /** First position. @default 0 */
  first?: number;
  /** Number of positions. */
  rows: number;
}

/**
 * Rows of the table of cosines or sines of position times frequency, times the magnitude:
 * f32 (rows, dims / 2), computed in f64.
 */
export function ropeTable(
  geometry: RotaryGeometry,
  { wave, first = 0, rows }: TableRows,
): Float32Array<ArrayBuffer> {
  const { frequencies, magnitude } = rotation(geometry);
  const half = frequencies.length;
  const of = Math[wave];
  const table = new Float32Array(rows * half);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < half; i++) {
      table[row * half + i] = magnitude * of((first + row) * frequencies[i]);
    }
  }
  return table;
}
