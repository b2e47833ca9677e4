/**
 * From a graph file to what the planner takes.
 *
 * @module
 */
import {
  didYouMean,
  type Graph,
  type GraphDevice,
  type GraphLink,
  OrreryError,
  paperDimensions,
} from "../actors/mod.ts";
import { CostModel, type DescribedDevice, describedDevice } from "./cost/mod.ts";
import { decodePast } from "./problem_of.ts";
import { shapeOf } from "./shape_of.ts";
import type { Device, DraftModel, Links, ModelShape, PlanInput } from "./types.ts";

/** What a graph file does not hold itself. */
export interface GraphPlanParts {
  /** What is placed. */
  model: ModelShape;
  /** Where. */
  devices: Device[];
  /** Between all pairs of devices. */
  links: Links;
  /** Draft model, where there is one. */
  draft?: DraftModel;
  /** See `PlanInput.coordinator`. */
  coordinator?: string;
}

/**
 * The planner's input for a graph: its workload, objective, constraints and decode policy. Stages
 * that are pinned in `actors.stages` become pins. Throws group `graph`, code `unknown_host` for a
 * host that is not among the devices (hosts of a file with `devices: measured` are known only
 * here).
 */
export function planInputOf(
  graph: Graph,
  { model, devices, links, draft, coordinator }: GraphPlanParts,
): PlanInput {
  const { actors, constraints, workload, decode } = graph;
  const names = devices.map((d) => d.name);
  const known = (where: string, host: string) => {
    if (names.includes(host)) return host;
    throw new OrreryError({
      group: "graph",
      code: "unknown_host",
      message: `${where} names host ${JSON.stringify(host)}, which is not among the devices; ${
        didYouMean(host, names)
      }`,
      metadata: { host, known: names },
    });
  };
  const stages = actors.stages === "auto" ? [] : actors.stages;
  const pin = [...constraints.pin, ...stages].map(({ host, layers }) => ({
    host: known("a pin", host),
    ...layers,
  }));
  const drafter = actors.drafter;
  const switchedOff = drafter === "none" || decode.mode === "plain";
  const ngram = drafter === "ngram" || (draft === undefined && drafter === "auto");
  const draftHost = typeof drafter === "object" && drafter.host !== undefined
    ? known("the drafter", drafter.host)
    : undefined;
  const branches = decode.mode === "plain" || decode.mode === "speculative" ? 1 : undefined;
  const most = [decode.max_branches, actors.outline?.max_branches, branches].filter((n) =>
    n !== undefined
  );
  const drafting = switchedOff
    ? { drafter: "none" as const }
    : ngram
    ? { drafter: "ngram" as const }
    : {};
  return {
    model,
    devices,
    links,
    workload: {
      promptTokens: workload.prompt_tokens,
      outputTokens: workload.output_tokens,
      branches: workload.branches,
      concurrent: workload.concurrent,
      ...(workload.acceptance !== undefined && { acceptance: workload.acceptance }),
      ...(workload.kv_rows !== undefined && { kvRows: workload.kv_rows }),
    },
    objective: graph.objective,
    ...(graph.lambda !== undefined && { lambda: graph.lambda }),
    constraints: {
      pin,
      exclude: constraints.exclude.map((host) => known("exclude", host)),
      memory: constraints.memory.map((cap) => ({
        host: known("a memory cap", cap.host),
        bytes: cap.bytes,
      })),
      trustedEnds: constraints.trusted_ends,
      minPieceRows: constraints.min_piece_rows,
    },
    ...(coordinator !== undefined && { coordinator }),
    ...(draft && !ngram && { draft }),
    ...(decode.wire !== "auto" && { wire: decode.wire }),
    decode: {
      ...drafting,
      ...(draftHost !== undefined && { draftHost }),
      ...(decode.draft_length !== undefined && { draftLength: decode.draft_length }),
      ...(most.length > 0 && { maxBranches: Math.min(...most) }),
    },
  };
}

/** The model that a graph describes on paper; undefined: it names one of the store. */
export function paperModelOf({ model, model_shape }: Graph): ModelShape | undefined {
  if (!model_shape) return undefined;
  const dimensions = paperDimensions(model_shape);
  return shapeOf({ ...dimensions, name: model_shape.name ?? model?.name ?? dimensions.name });
}

/** Devices of a graph or device file, for a model. */
export function devicesOf(described: readonly GraphDevice[], model: ModelShape): Device[] {
  return described.map((device) => {
    const known = Object.fromEntries(Object.entries(device).filter(([, v]) => v !== undefined));
    return describedDevice(known as DescribedDevice, model);
  });
}

/**
 * Links of a file as matrices. The most particular entry holds: from and to named, then the same
 * the other way round, then one end `*`, then both. Throws group `graph`, code `missing_link` for a
 * pair of devices that no entry covers.
 */
export function linksOf(described: readonly GraphLink[], names: readonly string[]): Links {
  const by = new Map(described.map((link) => [key(link.from, link.to), link]));
  const find = (from: string, to: string) =>
    by.get(key(from, to)) ?? by.get(key(to, from)) ?? by.get(key(from, "*")) ??
      by.get(key("*", to)) ??
      by.get(key("*", from)) ??
      by.get(key(to, "*")) ?? by.get(key("*", "*"));
  const links = names.map((from) =>
    names.map((to) => {
      if (from === to) return { seconds: 0, bytes_per_s: Infinity };
      const link = find(from, to);
      if (link) return link;
      throw new OrreryError({
        group: "graph",
        code: "missing_link",
        message:
          `no link is described from ${from} to ${to}; add it, or a default with from: "*" and to: "*"`,
        metadata: { from, to },
      });
    })
  );
  return {
    seconds: links.map((row) => row.map((l) => l.seconds)),
    bytesPerS: links.map((row) => row.map((l) => l.bytes_per_s)),
  };
}

const key = (from: string, to: string) => JSON.stringify([from, to]);

/** What {@linkcode paperDraft} needs. */
export interface PaperDraftParts {
  /** With a drafter that has a `shape`, or none. */
  graph: Graph;
  /** As described; undefined: measured devices, whose speed with another model is not known. */
  described: readonly GraphDevice[] | undefined;
  /** The target. */
  model: ModelShape;
  /** As the target has them. */
  devices: Device[];
  /** The draft model, where the graph only names it. */
  draft?: ModelShape;
}

/**
 * The draft model that a graph describes or names, if it does. Devices with `flops` are reckoned
 * for it anew; layer times are scaled by the work of a layer.
 */
export function paperDraft(
  { graph, described, model, devices, draft: known }: PaperDraftParts,
): DraftModel | undefined {
  const { drafter } = graph.actors;
  if (typeof drafter !== "object") return undefined;
  const draft = drafter.shape
    ? shapeOf({ ...paperDimensions(drafter.shape), name: drafter.model })
    : known;
  if (!draft) return undefined;
  const rows = graph.workload.kv_rows ??
    graph.workload.concurrent * (graph.workload.prompt_tokens + graph.workload.output_tokens);
  const past = decodePast({
    promptTokens: graph.workload.prompt_tokens,
    outputTokens: graph.workload.output_tokens,
    branches: 1,
    concurrent: 1,
  });
  const whole = { first: 0, last: draft.layers - 1 };
  const frame = { rows: 1, past, wanted: 1 };
  const ratio = draft.macsPerRow / model.macsPerRow;
  const secondsPerToken = devices.map((device, d) => {
    const paper = described?.[d];
    if (paper?.flops !== undefined) {
      const own = devicesOf([paper], draft);
      const cost = new CostModel({
        model: draft,
        devices: own,
        links: { seconds: [[0]], bytesPerS: [[Infinity]] },
      });
      return cost.stageSeconds(0, whole, frame);
    }
    const cost = new CostModel({
      model,
      devices: [device],
      links: { seconds: [[0]], bytesPerS: [[Infinity]] },
    });
    const ends = cost.embedSeconds(0, 1) + cost.headSeconds(0, 1);
    return device.frameSeconds + draft.layers * ratio * cost.layerSeconds(0, frame) +
      ends * draft.hidden * draft.vocab / (model.hidden * model.vocab);
  });
  const weights = draft.layerBytes.reduce((a, b) => a + b, 0) +
    (draft.tied ? Math.max(draft.embedBytes, draft.headBytes) : draft.embedBytes + draft.headBytes);
  return {
    name: draft.name,
    bytes: weights + draft.layers * draft.kvBytesPerRow * rows,
    secondsPerToken,
  };
}
