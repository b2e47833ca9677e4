/**
 * A profile: how fast one machine runs one model, as the machine measured it itself.
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

/** Schema of a {@linkcode TimeTable}: axes ascend, `seconds` are (rows, past). */
export const timeTableSchema = z.object({
  rows: z.array(z.number().int().positive()).min(1).refine(ascending, "rows must ascend"),
  past: z.array(z.number().int().nonnegative()).min(1).refine(ascending, "past must ascend"),
  seconds: z.array(z.array(seconds)),
}).refine(
  (t) => t.seconds.length === t.rows.length && t.seconds.every((s) => s.length === t.past.length),
  "seconds must be (rows, past)",
);

/** Schema of the key of a profile: the same work on the same machine takes the same time. */
export const profileKeySchema = z.object({
  /** Hash of the model's geometry and of how its tensors are stored: {@linkcode geometryHash}. */
  geometry: z.string().regex(/^[0-9a-f]{64}$/),
  precision: z.enum(PRECISIONS),
  /** Threads of the engine. */
  threads: z.number().int().positive(),
  /** true: threads without work spin; false: they sleep. */
  spinning: z.boolean(),
  machine: machineSchema,
});

/** See {@linkcode profileKeySchema}. */
export type ProfileKey = z.infer<typeof profileKeySchema>;

/**
 * Version of profiles. It grows whenever a change of the engine makes it faster or slower: profiles
 * of an older version are measured again.
 */
export const PROFILE_VERSION = 2;

/** Schema of a {@linkcode Profile}. */
export const profileSchema = z.object({
  version: z.literal(PROFILE_VERSION),
  key: profileKeySchema,
  /** Share of a core that the process got, see `machine.ts`. */
  cpu_share: z.number().gt(0).max(1),
  /** Name of the model, for display only. */
  model: z.string(),
  /** When it was measured, ISO 8601. */
  measured_at: z.string(),
  /** true: measured with fewer points and shorter repeats. */
  quick: z.boolean(),
  /** true: measured with made-up weights, since the model's own were not on this node. */
  synthetic: z.boolean(),
  /** Seconds that the measurement took. */
  took_s: seconds,
  /** Seconds of one layer for a frame of `rows` rows behind `past` slots. */
  layer: timeTableSchema,
  /** Seconds of the embedding for a frame of `rows` rows; `past` is [0]. */
  embed: timeTableSchema,
  /** Seconds of final norm, LM head and greedy sampling for `rows` wanted rows; `past` is [0]. */
  head: timeTableSchema,
  /**
   * Fixed seconds of a frame at a stage: the way to the engine and back, and a session's time
   * without its layers.
   */
  frame_s: seconds,
  /** Resident bytes that an engine takes besides weights and KV caches. */
  overhead_bytes: z.number().nonnegative(),
  /** Resident bytes of one layer. */
  layer_bytes: z.number().nonnegative(),
  /** Why the profile should be measured again; null: it is valid. */
  stale: z.string().nullable(),
});

/** See {@linkcode profileSchema} and the module's text. */
export type Profile = z.infer<typeof profileSchema>;

/** Schema of what a node answers when it is asked for its profile. */
export const nodeProfileSchema = z.object({
  profile: profileSchema,
  /** Memory that the stages of the node may use in all. */
  memory_bytes: z.number().nonnegative(),
});

/** See {@linkcode nodeProfileSchema}. */
export type NodeProfile = z.infer<typeof nodeProfileSchema>;

/**
 * SHA-256, in hexadecimal, of everything that decides how long a layer, the embedding and the head
 * take: the geometry, and the shapes and formats of the tensors.
 */
export function geometryHash(manifest: Manifest): string {
  const { geometry, embedding, layers, head, head_parts = [] } = manifest;
  const formats = [embedding, layers[0], head, ...head_parts].map(({ tensors }) =>
    Object.entries(tensors).map((
      [name, { shape, format, block, zeros }],
    ) => [name, shape, format, !!zeros, ...(block === undefined ? [] : [block])])
  );
  return createHash("sha256").update(JSON.stringify([sorted(geometry), formats])).digest("hex");
}

/** The planner's device for a node with this profile. `memoryBytes`: what its stages may use. */
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

/** The same value with the keys of its objects in alphabetical order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort().map(([k, v]) => [k, sorted(v)]));
}
