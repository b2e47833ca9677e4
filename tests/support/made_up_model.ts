/**
 * Models and profiles that exist in tests only.
 *
 * @module
 */
import type { Manifest } from "../../models/mod.ts";
import { geometryHash, type Profile, PROFILE_VERSION } from "../../runtime/profile/mod.ts";

/** A model of 12 layers of 8 MB each. */
export function madeUpManifest(name = "made-up"): Manifest {
  const group = (bytes: number, tensors: Record<string, number[]>, id: string) => ({
    sha256: id.padStart(64, "0"),
    bytes,
    tensors: Object.fromEntries(
      Object.entries(tensors).map(([key, shape]) => [
        key,
        { shape, format: "q4" as const, data: { offset: 0, bytes: 1 } },
      ]),
    ),
  });
  return {
    version: 1,
    name,
    geometry: {
      architecture: "LlamaForCausalLM",
      layers: 12,
      hidden: 512,
      intermediate: 2048,
      heads: 8,
      kv_heads: 2,
      head_dim: 64,
      vocab: 8000,
      context: 2048,
      norm_eps: 1e-5,
      rope: { theta: 10_000, scaling: null },
      tied_embeddings: false,
    },
    precision: "q4",
    source: "made up",
    embedding: group(4e6, { embed: [8000, 512] }, "e"),
    layers: Array.from({ length: 12 }, (_, i) => group(8e6, { "mlp.up": [2048, 512] }, `a${i}`)),
    head: group(4e6, { norm: [512], lm_head: [8000, 512] }, "f"),
    files: {},
    eos_tokens: [],
    bos_token: null,
  };
}

/** A profile in which one layer takes so many milliseconds for a row, and rows in proportion. */
export function madeUpProfile(manifest: Manifest, ms: number): Profile {
  const rows = [1, 16, 256];
  const seconds = (factor: number) => rows.map((n) => [n * ms * factor / 1000]);
  return {
    version: PROFILE_VERSION,
    key: {
      geometry: geometryHash(manifest),
      precision: manifest.precision,
      threads: 1,
      spinning: false,
      machine: { hostname: "made-up", cpu: "made-up", cores: 1, memory_bytes: 4e9 },
    },
    cpu_share: 1,
    model: manifest.name,
    measured_at: "2020-01-01T00:00:00.000Z",
    quick: true,
    synthetic: true,
    took_s: 1,
    layer: { rows, past: [0], seconds: seconds(1) },
    embed: { rows, past: [0], seconds: seconds(0.01) },
    head: { rows, past: [0], seconds: seconds(0.1) },
    frame_s: 1e-4,
    overhead_bytes: 16e6,
    layer_bytes: 8e6,
    stale: null,
  };
}
