/**
 * Layer ranges without measurements: in equal shares, or as the user says.
 *
 * @module
 */
import { HEAD_PARTS, OrreryError } from "../actors/mod.ts";
import type { HeadShare } from "./types.ts";

/** Layers of a stage. */
export interface LayerRange {
  /** First layer, 0-based. */
  first: number;
  /** Last layer, 0-based, inclusive. */
  last: number;
}

/**
 * Splits layers over nodes as evenly as whole layers allow; the first nodes take the rest. Where
 * there are more nodes than layers, there is one range for each layer.
 */
export function evenSplit(layers: number, nodes: number): LayerRange[] {
  const stages = Math.min(layers, nodes);
  const ranges: LayerRange[] = [];
  for (let i = 0, first = 0; i < stages; i++) {
    const count = Math.floor(layers / stages) + (i < layers % stages ? 1 : 0);
    ranges.push({ first, last: first + count - 1 });
    first += count;
  }
  return ranges;
}

/**
 * Shares of the LM head for these devices, as even as whole parts allow; the first devices take the
 * rest. No device is named twice; with more than 8 devices the first 8 get a part each.
 */
export function evenHead(devices: readonly string[]): HeadShare[] {
  const sharing = devices.slice(0, HEAD_PARTS);
  let first = 0;
  return sharing.map((device, i) => {
    const parts = Math.floor(HEAD_PARTS / sharing.length) +
      (i < HEAD_PARTS % sharing.length ? 1 : 0);
    const share = { device, first_part: first, last_part: first + parts - 1 };
    first += parts;
    return share;
  });
}

/**
 * Reads a list of layer ranges such as `0-3,4-7` or `0-3,4`. Throws group `cluster`, code
 * `bad_layers` for other text.
 */
export function parseLayers(text: string): LayerRange[] {
  return text.split(",").map((part) => {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part.trim());
    if (!match) {
      throw badLayers(`--layers ${text}: ${JSON.stringify(part)} is not a range like 0-3`);
    }
    return { first: Number(match[1]), last: Number(match[2] ?? match[1]) };
  });
}

/**
 * Checks that the ranges cover layers 0 .. layers-1 in order, each once. Throws group `cluster`,
 * code `bad_layers`.
 */
export function checkRanges(ranges: LayerRange[], layers: number): void {
  let next = 0;
  for (const { first, last } of ranges) {
    if (first !== next || last < first) {
      throw badLayers(
        `--layers: range ${first}-${last} must begin at layer ${next} and not end before it begins`,
      );
    }
    next = last + 1;
  }
  if (next !== layers) {
    throw badLayers(`--layers ends at layer ${next - 1}, the model's last layer is ${layers - 1}`);
  }
}

function badLayers(message: string): OrreryError {
  return new OrreryError({ group: "cluster", code: "bad_layers", message });
}
