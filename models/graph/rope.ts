/**
 * Rotary position embedding: inverse frequencies with the scalings that we know, and the cos/sin tables that
 * GroupQueryAttention reads.
 *
 * @module
 */
import { z } from "zod";
import { OrreryError } from "../../actors/errors.ts";
import type { Geometry } from "../manifest.ts";

const factor = z.number().positive();
const linearSchema = z.object({ factor });
const llama3Schema = z.object({
  factor,
  low_freq_factor: z.number().positive(),
  high_freq_factor: z.number().positive(),
  original_max_position_embeddings: z.number().int().positive(),
}).refine((s) => s.high_freq_factor > s.low_freq_factor, "high_freq_factor must be above low_freq_factor");

/** Scalings of rotary embedding that {@linkcode inverseFrequencies} knows. */
export const ROPE_SCALINGS = ["default", "linear", "llama3"] as const;

/**
 * Angle per position of each pair of dimensions, (head_dim / 2) in f64.
 *
 * Throws OrreryError `model/unsupported_rope` for an unknown scaling and `model/bad_rope` for one with bad fields.
 */
export function inverseFrequencies(geometry: Pick<Geometry, "head_dim" | "rope">): Float64Array {
  const { head_dim, rope } = geometry;
  const plain = Float64Array.from({ length: head_dim / 2 }, (_, i) => rope.theta ** (-2 * i / head_dim));
  if (!rope.scaling) return plain;
  const kind = String(rope.scaling.rope_type ?? rope.scaling.type ?? "default");
  switch (kind) {
    case "default":
      return plain;
    case "linear": {
      const { factor } = parse(linearSchema, rope.scaling, kind);
      return plain.map((f) => f / factor);
    }
    case "llama3": {
      const scaling = parse(llama3Schema, rope.scaling, kind);
      return plain.map((f) => llama3Frequency(f, scaling));
    }
    default:
      throw new OrreryError({
        group: "model",
        code: "unsupported_rope",
        message: `rope_scaling of type ${JSON.stringify(kind)} is not supported; known types are ${
          ROPE_SCALINGS.join(", ")
        }`,
        metadata: { type: kind },
      });
  }
}

/** Long waves are stretched by `factor`, short ones kept, those between blended. */
function llama3Frequency(frequency: number, scaling: z.infer<typeof llama3Schema>): number {
  const { factor, low_freq_factor: low, high_freq_factor: high } = scaling;
  const turns = scaling.original_max_position_embeddings * frequency / (2 * Math.PI);
  if (turns < low) return frequency / factor;
  if (turns > high) return frequency;
  const share = (turns - low) / (high - low);
  return (1 - share) * frequency / factor + share * frequency;
}

function parse<T>(schema: z.ZodType<T>, scaling: unknown, kind: string): T {
  const result = schema.safeParse(scaling);
  if (result.success) return result.data;
  const issues = result.error.issues.map((i) => `${i.path.join(".") || "rope_scaling"}: ${i.message}`).join(
    "; ",
  );
  throw new OrreryError({
    group: "model",
    code: "bad_rope",
    message: `rope_scaling of type ${kind} is malformed (${issues})`,
  });
}

/** Cos and sin tables, f32 (context, head_dim / 2) each, computed in f64. */
export function ropeTables(
  geometry: Pick<Geometry, "context" | "head_dim" | "rope">,
): { cos: Float32Array; sin: Float32Array } {
  const frequencies = inverseFrequencies(geometry);
  const half = frequencies.length;
  const cos = new Float32Array(geometry.context * half);
  const sin = new Float32Array(geometry.context * half);
  for (let position = 0; position < geometry.context; position++) {
    for (let i = 0; i < half; i++) {
      const angle = position * frequencies[i];
      cos[position * half + i] = Math.cos(angle);
      sin[position * half + i] = Math.sin(angle);
    }
  }
  return { cos, sin };
}
