/**
 * A profile: how fast one machine runs one model, as it measured itself.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { type Manifest, PRECISIONS } from "../../models/mod.ts";
import type { Device } from "../../planner/mod.ts";
import { machineSchema } from "./machine.ts";

const seconds = z.number().nonnegative();
const ascending = (values: number[]) => values.every((v, i) => i === 0 || v > values[i - 1]);

/** Schema of a {@linkcode TimeTable}; axes ascend, one row of `seconds` for each of `rows`. */
export const timeTableSchema = z.object({
  rows: z.array(z.number().int().positive()).min(1).refine(ascending, "rows must ascend"),
  past: z.array(z.number().int().nonnegative()).min(1).refine(ascending, "past must ascend"),
  seconds: z.array(z.array(seconds)),
}).refine(
  (t) => t.seconds.length === t.rows.length && t.seconds.every((s) => s.length === t.past.length),
  "seconds must be (rows, past)",
);

/** What a profile is found by: the same work on the same machine takes the same time. */
export const profileKeySchema = z.object({
  /** Of the model's geometry and how its tensors are stored: {@linkcode geometryHash}. */
  geometry: z.string().regex(/^[0-9a-f]{64}$/),
  precision: z.enum(PRECISIONS),
  threads: z.number().int().positive(),
  spinning: z.boolean(),
  machine: machineSchema,
});

/** See {@linkcode profileKeySchema}. */
export type ProfileKey = z.infer<typeof profileKeySchema>;

/**
 * Grows whenever an engine becomes faster or slower than it was: older profiles are measured again.
 */
export const PROFILE_VERSION = 2;

/** Schema of a {@linkcode Profile}. */
export const profileSchema = z.object({
  version: z.literal(PROFILE_VERSION),
  key: profileKeySchema,
  /** Share of a core that the process got: see `machine.ts`. */
  cpu_share: z.number().gt(0).max(1),
  /** Name of the model, for people. */
  model: z.string(),
  /** ISO 8601. */
  measured_at: z.string(),
  /** Fewer points and shorter repeats. */
  quick: z.boolean(),
  /** Were the weights made up, as the model's own were not here? */
  synthetic: z.boolean(),
  /** What measuring took. */
  took_s: seconds,
  /** Seconds of one layer. */
  layer: timeTableSchema,
  /** Seconds of the embedding; past [0]. */
  embed: timeTableSchema,
  /** Seconds of final norm, LM head and greedy sampling of so many wanted rows; past [0]. */
  head: timeTableSchema,
  /**
   * Fixed seconds of a frame at a stage: the way to the worker and back, and what a session costs
   * without layers.
   */
  frame_s: seconds,
  /** Resident bytes that an engine takes besides weights and KV. */
  overhead_bytes: z.number().nonnegative(),
  /** Resident bytes of one layer. */
  layer_bytes: z.number().nonnegative(),
  /** Why it should be measured again; null: it should not. */
  stale: z.string().nullable(),
});

/** See {@linkcode profileSchema} and the module's text. */
export type Profile = z.infer<typeof profileSchema>;

/**
 * A node's profile as it tells it to others: {@linkcode profileSchema} and what its stages may use
 * of memory.
 */
export const nodeProfileSchema = z.object({
  profile: profileSchema,
  memory_bytes: z.number().nonnegative(),
});

/** See {@linkcode nodeProfileSchema}. */
export type NodeProfile = z.infer<typeof nodeProfileSchema>;

/**
 * Hash of all that decides how long a layer, the embedding and the head take: geometry, shapes and
 * formats of the tensors.
 */
export function geometryHash(manifest: Manifest): string {
  const { geometry, embedding, layers, head } = manifest;
  const formats = [embedding, layers[0], head].map(({ tensors }) =>
    Object.entries(tensors).map((
      [name, { shape, format, zeros }],
    ) => [name, shape, format, !!zeros])
  );
  return createHash("sha256").update(JSON.stringify([sorted(geometry), formats])).digest("hex");
}

/** The planner's device; `name` and memory are of the node at hand. */
export function deviceOf(
  { layer, embed, head, frame_s, overhead_bytes }: Profile,
  { name, memoryBytes, trusted = true }: { name: string; memoryBytes: number; trusted?: boolean },
): Device {
  return {
    name,
    memoryBytes,
    overheadBytes: overhead_bytes,
    layer,
    embed,
    head,
    frameSeconds: frame_s,
    trusted,
  };
}

/** The same value with the keys of its objects in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort().map(([k, v]) => [k, sorted(v)]));
}
