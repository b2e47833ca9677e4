/**
 * Finds what this project's planner would do on the paper's hardware: the same request, the same
 * drafts, another plan.
 *
 * @module
 */
import type { CostModel } from "../../../planner/cost/mod.ts";
import { allRows } from "../../../planner/kv_bytes.ts";
import { place } from "../../../planner/placement/place.ts";
import type { StageCosts } from "../../../planner/placement/problem.ts";
import { type DeviceStage, pieceStages, pipelinePieces } from "../../../planner/sequence/mod.ts";
import type { PlanSimulationOptions } from "../../../planner/simulator/options.ts";
import { runSystem, type System } from "./calibrate.ts";
import { ASSUMPTIONS, jupiterSystem, type Levers, medusaSeconds, paperRequest } from "./jupiter.ts";
import { PROMPT } from "./published.ts";

/** A system and the seconds of its request. */
export interface Found {
  system: System;
  seconds: number;
}

/** What a search may do that Jupiter cannot. */
export interface Freedom {
  /**
   * Whether a draft model, as costly and as good as the heads, stands on any device instead of
   * heads on the last stage. It need not wait for the last stage, so it may draft while frames are
   * under way, which heads cannot.
   */
  continuous: boolean;
  /** Whether branches begin as soon as their own points are there. */
  early: boolean;
}

/** What is chosen in addition to the stages. */
interface PlanChoice {
  /** Tokens of a draft. */
  length: number;
  /** Lanes that share a frame. */
  lanes: number;
  draftBranches: boolean;
  /** Number of frames that are drafted ahead. */
  ahead: number;
  /** Device of the drafter; undefined: that of the last stage. */
  drafter: number | undefined;
}

/** Longest draft in tokens, and most frames ahead, that are tried. */
const LONGEST_DRAFT = 7, MOST_AHEAD = 3;

/**
 * The best system that a search finds, by simulated seconds of the paper's request. It starts from
 * the solver's placements and tries: moving layers, the length of drafts, whether branches
 * speculate, rows of several branches in one frame, and pieces for the true pipeline. Since it also
 * starts from what Jupiter does, it is never worse. Drafts cost as much and are accepted as often
 * as Jupiter's.
 */
export function ours(cost: CostModel, levers: Levers, { continuous, early }: Freedom): Found {
  const request = paperRequest(levers, ASSUMPTIONS.branches);
  const options = { ...request, outline: { ...request.outline, early } };
  const theirs = jupiterSystem(cost, options);
  let best: Found = { system: theirs, seconds: runSystem(cost, theirs).requests[0].finish_s };
  const starts = [theirs.stages, ...placements(cost)];
  const packed: PlanChoice = {
    length: 3,
    lanes: 1,
    draftBranches: true,
    ahead: 0,
    drafter: undefined,
  };
  const firsts = starts.map((stages) => ({
    stages,
    shape: packed,
    found: evaluate(cost, { stages, shape: packed, options }),
  }))
    .sort((a, b) => a.found.seconds - b.found.seconds);
  for (let { stages, shape, found } of firsts.slice(0, 2)) {
    for (let improved = true; improved;) {
      improved = false;
      const tries = [
        ...variants(cost, shape, continuous).map((shape) => ({ stages, shape })),
        ...neighbours(cost, stages).map((stages) => ({ stages, shape })),
      ];
      for (const tried of tries) {
        const next = evaluate(cost, { ...tried, options });
        if (next.seconds >= found.seconds * (1 - 1e-9)) continue;
        [{ stages, shape }, found, improved] = [tried, next, true];
      }
    }
    if (found.seconds < best.seconds) best = found;
  }
  return best;
}

/** Shapes that differ in drafts, in packing, or in the drafter. */
function variants(cost: CostModel, shape: PlanChoice, continuous: boolean): PlanChoice[] {
  const found: PlanChoice[] = [];
  for (let length = 0; length <= LONGEST_DRAFT; length++) {
    for (let ahead = 0; ahead <= (continuous && length > 0 ? MOST_AHEAD : 0); ahead++) {
      found.push({ ...shape, length, ahead });
    }
    for (let lanes = 1; lanes <= ASSUMPTIONS.branches; lanes++) {
      for (const draftBranches of [true, false]) {
        found.push({ ...shape, length, lanes, draftBranches });
      }
    }
  }
  if (continuous) { for (const drafter of cost.devices.keys()) found.push({ ...shape, drafter }); }
  return found;
}

/** Prompt pieces by stages, kept because the search changes drafts far more often than stages. */
const KNOWN_PIECES = new WeakMap<CostModel, Map<string, number[]>>();

function piecesOf(cost: CostModel, stages: DeviceStage[]): number[] {
  let known = KNOWN_PIECES.get(cost);
  if (!known) KNOWN_PIECES.set(cost, known = new Map());
  const key = stages.map((s) => `${s.device}:${s.first}`).join();
  let pieces = known.get(key);
  if (!pieces) {
    const problem = { tokens: PROMPT, stages: pieceStages(cost, stages), step: 13 };
    known.set(key, pieces = pipelinePieces(problem, { maxLabels: 50 }).pieces);
  }
  return pieces;
}

function evaluate(
  cost: CostModel,
  { stages, shape, options }: {
    stages: DeviceStage[];
    shape: PlanChoice;
    options: PlanSimulationOptions;
  },
): Found {
  const { length, lanes, draftBranches, ahead, drafter } = shape;
  const device = drafter ?? stages.at(-1)!.device;
  const system: System = {
    stages,
    options,
    policy: {
      pieces: piecesOf(cost, stages),
      in_flight: ASSUMPTIONS.branches,
      tree: new Array<number>(length).fill(1),
      draft_branches: draftBranches,
      rows_per_frame: lanes * (draftBranches ? 1 + length : 1),
      model_drafter: true,
      ahead,
    },
    draft: { device, secondsPerToken: medusaSeconds(cost, device) },
  };
  return { system, seconds: runSystem(cost, system).requests[0].finish_s };
}

/**
 * What the solver proposes for the request, in its own order of devices and with devices left idle
 * where that is better. Its objective is the sum of one piece and the outline's frames, and the
 * slowest stage for the other pieces and the branches' frames. The slowest stage is weighted less
 * and more as well, since drafts and packing are not known yet.
 */
function placements(cost: CostModel): DeviceStage[][] {
  const { model, devices, links } = cost;
  const { pieces, outlineFrames, branchFrames } = ROUGHLY;
  const piece = Math.ceil(PROMPT / pieces);
  const costs = (pieceCount: number, frameCount: number): StageCosts => {
    const both = (of: (rows: number) => number) =>
      pieceCount * of(piece) + frameCount * of(FRAME_ROWS);
    return {
      layer: devices.map((_, d) => both((rows) => cost.layerSeconds(d, { rows, past: 0 }))),
      fixed: devices.map((d) => (pieceCount + frameCount) * d.frameSeconds),
      embed: devices.map((_, d) => both((rows) => cost.embedSeconds(d, rows))),
      head: devices.map((_, d) => frameCount * cost.headSeconds(d, FRAME_ROWS)),
      hop: links.seconds.map((row, a) =>
        row.map((_, b) => both((rows) => cost.hopSeconds(a, b, cost.hopBytes(rows))))
      ),
      entry: devices.map(() => 0),
      exit: devices.map(() => 0),
    };
  };
  const found = new Map<string, DeviceStage[]>();
  for (const maxWeight of [0, 0.5, 1, 2, 4]) {
    const { stages } = place({
      layers: model.layers,
      devices: devices.length,
      sum: costs(1, outlineFrames),
      max: costs(pieces - 1, branchFrames),
      sumWeight: 1,
      maxWeight,
      layerBytes: model.layerBytes.map((bytes) => bytes + model.kvBytesPerRow * model.context),
      embedBytes: model.embedBytes,
      headBytes: model.headBytes,
      tied: model.tied,
      overheadBytes: devices.map((d) => d.overheadBytes),
      memoryBytes: devices.map((d) => d.memoryBytes),
      ends: devices.map((d) => d.trusted),
      usable: devices.map(() => true),
      pin: new Array<number>(model.layers).fill(-1),
    });
    found.set(JSON.stringify(stages), stages);
  }
  return [...found.values()];
}

/** The paper's request in round numbers, at two tokens a frame: where the search begins. */
const ROUGHLY = { pieces: 5, outlineFrames: 11, branchFrames: 21 };
const FRAME_ROWS = 6;

function staged(order: number[], counts: number[]): DeviceStage[] {
  let first = 0;
  return order.map((device, i) => {
    const stage = { device, first, last: first + counts[i] - 1 };
    first += counts[i];
    return stage;
  });
}

/**
 * The placements that differ by one move: one layer, or four, from one stage to another, or two
 * devices exchanged; where memory allows it.
 */
function neighbours(cost: CostModel, stages: DeviceStage[]): DeviceStage[][] {
  const order = stages.map((s) => s.device);
  const found: DeviceStage[][] = [];
  const add = (stages: DeviceStage[]) => {
    if (stages.every((s) => cost.lackingBytes(s.device, s, allRows(cost.model.context)) === 0)) {
      found.push(stages);
    }
  };
  const sizes = stages.map((s) => s.last - s.first + 1);
  for (let i = 0; i < stages.length; i++) {
    for (let j = i + 1; j < stages.length; j++) {
      const swap = (v: number[]) => v.with(i, v[j]).with(j, v[i]);
      add(staged(swap(order), swap(sizes)));
    }
  }
  for (const step of [1, 4]) {
    for (const [from, stage] of stages.entries()) {
      if (stage.last - stage.first < step) continue;
      for (const to of stages.keys()) {
        if (to === from) continue;
        add(staged(order, sizes.map((n, i) => n + (i === to ? step : i === from ? -step : 0))));
      }
    }
  }
  return found;
}
