/**
 * The model store of the benchmarks on emulated devices: random weights of a 0.5B model's shape for
 * speed, and the embedded pair.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { ModelStore } from "../../../models/mod.ts";
import { type CheckpointShape, writeRandomCheckpoint } from "../models/random_checkpoint.ts";

/** Name in the store of the model with random weights. Token t is followed by token t + 1009. */
export const HALF_BILLION = "half-billion";

/** Qwen2.5-0.5B's counts. */
const SHAPE: CheckpointShape = {
  hidden: 896,
  layers: 24,
  heads: 14,
  kvHeads: 2,
  intermediate: 4864,
  vocab: 151936,
  chain: true,
};

/**
 * Makes the model in the store at `data`, unless it exists. The conversion needs 1.7 GB of disk
 * space for a while.
 */
export async function prepareHalfBillion(data: string): Promise<void> {
  const store = await ModelStore.open(data);
  if ((await store.list()).some((m) => m.manifest.name === HALF_BILLION)) return;
  const checkpoint = await mkdtemp(join(data, "checkpoint-"));
  try {
    await writeRandomCheckpoint(checkpoint, SHAPE);
    await store.add(checkpoint, { name: HALF_BILLION, precision: "q4" });
  } finally {
    await rm(checkpoint, { recursive: true });
  }
}
