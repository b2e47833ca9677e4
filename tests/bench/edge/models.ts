/**
 * The model store of the benchmarks on emulated devices: random weights of a 0.5B model's shape for
 * speed, and the embedded pair.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { ModelStore } from "../../../models/mod.ts";
import {
  type CheckpointShape,
  TINYLLAMA,
  writeRandomCheckpoint,
} from "../models/random_checkpoint.ts";

/** Models with random weights. Token t is followed by token t + 1009. */
export const RANDOM_MODELS: Record<string, CheckpointShape> = {
  /** Qwen2.5-0.5B's counts. */
  "half-billion": {
    hidden: 896,
    layers: 24,
    heads: 14,
    kvHeads: 2,
    intermediate: 4864,
    vocab: 151936,
    chain: true,
  },
  "one-billion": { ...TINYLLAMA, chain: true },
};

/** Name in the store of the smaller one of them. */
export const HALF_BILLION = "half-billion";

/**
 * Makes a model of {@linkcode RANDOM_MODELS} in the store at `data`, unless it exists. The
 * conversion needs up to 3.3 GB of disk space for a while.
 */
export async function prepareRandomModel(data: string, name: string): Promise<void> {
  const store = await ModelStore.open(data);
  if ((await store.list()).some((m) => m.manifest.name === name)) return;
  const checkpoint = await mkdtemp(join(data, "checkpoint-"));
  try {
    await writeRandomCheckpoint(checkpoint, RANDOM_MODELS[name]);
    await store.add(checkpoint, { name, precision: "q4" });
  } finally {
    await rm(checkpoint, { recursive: true });
  }
}
