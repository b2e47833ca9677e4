/**
 * Makes the planner's input from a graph file.
 *
 * @module
 */
import { allRows, kvBytes } from "./kv_bytes.ts";
import {
  didYouMean,
  type Graph,
  type GraphDevice,
  type GraphLink,
  type GraphUplink,
  OrreryError,
  paperDimensions,
} from "../actors/mod.ts";
import { CostModel, type DescribedDevice, describedDevice } from "./cost/mod.ts";
import { decodePast } from "./problem_of.ts";
import { shapeOf } from "./shape_of.ts";
import type { Device, DraftModel, Links, ModelShape, PlanInput, Uplink } from "./types.ts";

/** The parts of the planner's input that a graph file does not hold itself. */
export interface GraphPlanParts {
  /** The model to place. */
  model: ModelShape;
  /** The devices on which it may be placed. */
  devices: Device[];
  /** The links between all pairs of devices; the graph has what they share. */
  links: Links;
  /** The draft model; undefined: there is none. */
  draft?: DraftModel;
  /** See `PlanInput.coordinator`. */
  coordinator?: string;
}

/**
 * The planner's input for a graph, with its workload, objective, constraints and decode policy.
 * Stages that `actors.stages` pins become pins. Throws group `graph`, code `unknown_host` for a
 * host that is not among the devices. (For a file with `devices: measured` the devices are known
 * only here.)
 */
export function planInputOf(
  graph: Graph,
  { model, devices, links, draft, coordinator }: GraphPlanParts,
): PlanInput {
  const { actors, constraints, workload, decode } = graph;
  const names = devices.map((d) => d.name);
  const known = (where: string, host: string) => {
    if (names.includes(host)) return host;
    throw unknownHost(where, host, names);
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
  const draftVocabulary = typeof drafter === "object" && drafter.vocabulary !== "auto" // left out: auto
    ? drafter.vocabulary
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
    links: graph.uplinks.length > 0
      ? { ...links, uplinks: uplinksOf(graph.uplinks, names) }
      : links,
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
      ...(draftVocabulary !== undefined && { draftVocabulary }),
      ...(decode.draft_length !== undefined && { draftLength: decode.draft_length }),
      ...(most.length > 0 && { maxBranches: Math.min(...most) }),
      ...(decode.route !== "auto" && { route: decode.route }),
      ...(actors.head !== "auto" && { headShares: actors.head === "last" ? 1 : actors.head }),
    },
  };
}

/** The model that a graph describes by its dimensions; undefined: it names a model of the store. */
export function paperModelOf({ model, model_shape }: Graph): ModelShape | undefined {
  if (!model_shape) return undefined;
  const dimensions = paperDimensions(model_shape);
  return shapeOf({ ...dimensions, name: model_shape.name ?? model?.name ?? dimensions.name });
}

/** The devices of a graph or device file, with their times for this model. */
export function devicesOf(described: readonly GraphDevice[], model: ModelShape): Device[] {
  return described.map((device) => {
    const known = Object.fromEntries(Object.entries(device).filter(([, v]) => v !== undefined));
    return describedDevice(known as DescribedDevice, model);
  });
}

/**
 * The links of a file as matrices. The most specific entry counts: first one that names from and
 * to, then one that names them the other way round, then one with one end `*`, then one with both.
 * Throws group `graph`, code `missing_link` for a pair of devices without an entry.
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

/**
 * The uplinks of a file, by the indices of their devices. Throws group `graph`, code `unknown_host`
 * for a name that no device has.
 */
export function uplinksOf(
  described: readonly GraphUplink[],
  names: readonly string[],
): Uplink[] {
  return described.map(({ devices, bytes_per_s }) => ({
    devices: devices.map((name) => {
      const index = names.indexOf(name);
      if (index < 0) throw unknownHost("an uplink", name, names);
      return index;
    }),
    bytesPerS: bytes_per_s,
  }));
}

/** The error for a host of a graph that is not among the devices. */
function unknownHost(where: string, host: string, names: readonly string[]): OrreryError {
  return new OrreryError({
    group: "graph",
    code: "unknown_host",
    message: `${where} names host ${JSON.stringify(host)}, which is not among the devices; ${
      didYouMean(host, names)
    }`,
    metadata: { host, known: names },
  });
}

/** Key of a pair of names in a map. */
const key = (from: string, to: string) => JSON.stringify([from, to]);

/** Input of {@linkcode paperDraft}. */
export interface PaperDraftParts {
  /** The graph, whose drafter may have a `shape`. */
  graph: Graph;
  /**
   * The devices as a file describes them; undefined: they were measured, so that their speed with
   * another model is not known.
   */
  described: readonly GraphDevice[] | undefined;
  /** The target model. */
  model: ModelShape;
  /** The devices with their times for the target model. */
  devices: Device[];
  /** The draft model's sizes, where the graph only names it. */
  draft?: ModelShape;
}

/**
 * The draft model that a graph describes or names; undefined: none. The times of devices with
 * `flops` are computed anew for the draft model; other times are scaled by the multiply-adds of a
 * layer.
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
  const times = devices.map((device, d) => {
    const paper = described?.[d];
    if (paper?.flops !== undefined) {
      const own = devicesOf([paper], draft);
      const cost = new CostModel({
        model: draft,
        devices: own,
        links: { seconds: [[0]], bytesPerS: [[Infinity]] },
      });
      return { token: cost.stageSeconds(0, whole, frame), head: cost.headSeconds(0, 1) };
    }
    const cost = new CostModel({
      model,
      devices: [device],
      links: { seconds: [[0]], bytesPerS: [[Infinity]] },
    });
    const size = draft.hidden * draft.vocab / (model.hidden * model.vocab);
    const [embed, head] = [cost.embedSeconds(0, 1) * size, cost.headSeconds(0, 1) * size];
    const layers = draft.layers * ratio * cost.layerSeconds(0, frame);
    return { token: device.frameSeconds + layers + embed + head, head };
  });
  const { embedBytes, headBytes } = draft;
  // The bytes that a head without any tokens would save: a tied one shares the embedding's.
  const ownHead = draft.tied ? Math.max(0, headBytes - embedBytes) : headBytes;
  const weights = draft.layerBytes.reduce((a, b) => a + b, 0) + embedBytes + ownHead;
  return {
    name: draft.name,
    bytes: weights + kvBytes(draft, whole, allRows(rows)),
    secondsPerToken: times.map(({ token }) => token),
    head: { vocab: draft.vocab, bytes: ownHead, seconds: times.map(({ head }) => head) },
  };
}
