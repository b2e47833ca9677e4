/**
 * The shape of an invented model, for tests of plans.
 *
 * @module
 */
import type { ModelShape } from "../../planner/mod.ts";

/** Bytes of a layer. */
export const LAYER = 100e6;

/** A model of so many equal layers of {@linkcode LAYER} bytes; `changes` are what a test needs otherwise. */
export const toyShape = (layers: number, changes: Partial<ModelShape> = {}): ModelShape => ({
  name: "toy",
  layers,
  hidden: 1024,
  vocab: 8000,
  context: 1024,
  layerBytes: new Array<number>(layers).fill(LAYER),
  embedBytes: 20e6,
  headBytes: 20e6,
  tied: false,
  kvBytesPerRow: 1000,
  macsPerRow: 1e7,
  macsPerPastRow: 1e3,
  ...changes,
});
