/**
 * What the planner is told and what it answers. Seconds, bytes, rows (tokens), 0-based layers with
 * inclusive ends.
 *
 * @module
 */
import type { Wire } from "../actors/mod.ts";

/**
 * Measured times: `seconds[i][j]` for a frame of `rows[i]` rows over `past[j]` rows before it. Both
 * axes ascend.
 */
export interface TimeTable {
  /** Row counts, ascending. */
  rows: number[];
  /** `[0]` where the time does not depend on it (embedding, head). */
  past: number[];
  /** See above; for links: latency of a message one way. */
  seconds: number[][];
}

/** A device as it was measured, or as somebody describes it. */
export interface Device {
  /** Node id or the name in a graph or device file; unique. */
  name: string;
  /** What stages may use of its memory: weights, KV, engine. */
  memoryBytes: number;
  /** What an engine takes besides weights and KV. */
  overheadBytes: number;
  /** One layer, for S rows with P past rows. */
  layer: TimeTable;
  /** Embedding of S rows; past `[0]`. */
  embed: TimeTable;
  /** Final norm, LM head and sampling of S wanted rows; past `[0]`. */
  head: TimeTable;
  /** Fixed time of a frame at a stage besides computing: mailbox, queue, worker. */
  frameSeconds: number;
  /**
   * May it see prompts and tokens in clear (first and last stage, drafter, Generation)? @default
   * true
   */
  trusted: boolean;
}

/**
 * Links between all pairs, by index in the list of devices: `seconds[from][to]`,
 * `bytesPerS[from][to]`. Diagonal: 0 and Infinity.
 */
export interface Links {
  /** Latency of a message one way. */
  seconds: number[][];
  /** Bandwidth. */
  bytesPerS: number[][];
}

/** A model as far as placement is concerned. */
export interface ModelShape {
  /** As people call it. */
  name: string;
  /** Decoder layers. */
  layers: number;
  /** Elements of a row of hidden states. */
  hidden: number;
  /** Tokens in the vocabulary. */
  vocab: number;
  /** Longest context in rows. */
  context: number;
  /** Weight bytes in memory of each layer. (layers) */
  layerBytes: number[];
  /** Weight bytes of the embedding. */
  embedBytes: number;
  /** Weight bytes of final norm and LM head. */
  headBytes: number;
  /** Are embedding and head one matrix, that a device with both holds once? */
  tied: boolean;
  /** KV bytes of one row in one layer. */
  kvBytesPerRow: number;
  /**
   * Multiply-add pairs of one row in one layer's matrices, for devices that are described on paper.
   */
  macsPerRow: number;
  /** Multiply-add pairs that one row spends on each past row in one layer's attention. */
  macsPerPastRow: number;
}

/** A draft model that may be placed; its whole cost on a device, in one piece. */
export interface DraftModel {
  /** As people call it. */
  name: string;
  /** Weights and KV of the workload. */
  bytes: number;
  /** Seconds of one draft token, by device index. */
  secondsPerToken: number[];
}

/** What the plan should be good at. */
export interface Workload {
  /** Tokens of a prompt. */
  promptTokens: number;
  /** Tokens of an answer, or of one branch of it. */
  outputTokens: number;
  /** Outline branches of a request; 1: none. */
  branches: number;
  /** Requests at once. */
  concurrent: number;
  /**
   * Chance that a drafted token is accepted, 0 .. 1; undefined: not known, no speculation is
   * planned.
   */
  acceptance?: number;
  /** KV rows to hold memory for. @default concurrent * (promptTokens + outputTokens * branches) */
  kvRows?: number;
}

/**
 * `latency`: the sum over stages and links. `throughput`: the slowest stage or link. `blended`: sum
 * + lambda * max.
 */
export type Objective = "latency" | "throughput" | "blended";

/** Limits that a user sets. Devices by name. */
export interface Constraints {
  /** These layers are computed there, whatever else. */
  pin: { host: string; first: number; last: number }[];
  /** Never used. */
  exclude: string[];
  /** Memory caps below the devices' own. */
  memory: { host: string; bytes: number }[];
  /** Embedding, head, drafter and Generation stay on trusted devices. */
  trustedEnds: boolean;
  /** Fewest rows of a prompt piece. */
  minPieceRows: number;
}

/** Everything that a plan depends on. */
export interface PlanInput {
  /** What to place. */
  model: ModelShape;
  /** Where it may be placed. */
  devices: Device[];
  /** How they are joined. */
  links: Links;
  /** What it should be good at. */
  workload: Workload;
  /** What counts. */
  objective: Objective;
  /**
   * Weight of the slowest stage under `blended`. @default what makes the objective the workload's
   * request time
   */
  lambda?: number;
  /** The user's limits. */
  constraints: Constraints;
  /**
   * Where the request enters and tokens return to (the Generation actor); undefined: the planner
   * chooses.
   */
  coordinator?: string;
  /** How decoding speculates. */
  draft?: DraftModel;
  /** undefined: the planner chooses between f16 and int8. */
  wire?: Wire;
  /** Limits on how decoding goes on. */
  decode?: DecodeLimits;
}

/** What a user says about decoding; what is left out the planner chooses. */
export interface DecodeLimits {
  /**
   * `none`: no speculation. `ngram`: prompt lookup, also where there is a draft model. @default the
   * draft model, else ngram
   */
  drafter?: "none" | "ngram";
  /** Where the draft model runs. */
  draftHost?: string;
  /** Longest draft in tokens. @default 8 */
  draftLength?: number;
  /** Most branches in flight. @default what the workload has */
  maxBranches?: number;
}

/** A stage of a plan. Names are those of the JSON. */
export interface PlanStage {
  /** Device. */
  host: string;
  /** First layer, 0-based. */
  first_layer: number;
  /** Last layer, inclusive. */
  last_layer: number;
  /** Weights in memory. */
  weight_bytes: number;
  /** KV in memory, for `kv_rows` rows. */
  kv_bytes: number;
  /** Of one decode row in the middle of the answer: the prompt and half of the output behind it. */
  seconds_per_row: number;
  /** The reason, with its figures. */
  why: string;
}

/** How decoding goes on. */
export interface PlanDraft {
  /** `none`: speculation does not pay, `why` says so. */
  source: "model" | "ngram" | "none";
  /** Of the draft model. */
  host: string | null;
  /** Tokens of a draft's longest path. */
  length: number;
  /** Branches at each depth of the draft tree; all 1: a chain. (length) */
  tree: number[];
  /** The reason, with its figures. */
  why: string;
}

/** What the planner answers: byte-stable as JSON, ready to print. */
export interface Plan {
  /** What to place. */
  model: string;
  /** What counts. */
  objective: Objective;
  /** Where the Generation actor runs. */
  coordinator: string;
  /** In order. */
  stages: PlanStage[];
  /** Rows of the prompt pieces of the workload's prompt, in order. */
  pieces: number[];
  /**
   * Pieces by prompt length, and when the first token of a prompt of that length is there: take the
   * first bucket that is not shorter; the last piece is cut at the prompt's end.
   */
  piece_buckets: { prompt_tokens: number; rows: number[]; ttft_s: number }[];
  /** How decoding speculates. */
  draft: PlanDraft;
  /** Branches in flight and rows of one frame. */
  branches: { in_flight: number; rows_per_frame: number; why: string };
  /** How hidden states travel. */
  wire: { format: Wire; why: string };
  /** KV rows that every stage has memory for. */
  kv_rows: number;
  /**
   * Who takes over which layers when a stage's host dies, and whether it has memory for that today.
   */
  backups: { first_layer: number; last_layer: number; host: string | null; why: string }[];
  /** Who is left out. */
  idle: { host: string; why: string }[];
  /** For the workload. */
  predicted: {
    ttft_s: number;
    /** Time between tokens of one plain stream. */
    tpot_s: number;
    /** Of one request as the plan runs it (drafts and branches included). */
    tokens_per_s: number;
  };
  /** The slowest part and what it costs. */
  bottleneck: { kind: "stage" | "link" | "latency"; what: string; seconds: number; why: string };
  /** Value of the objective, in seconds, of the placement found. */
  objective_s: number;
  /** No placement can be better than this, in seconds. */
  lower_bound: number;
  /** (objective_s - lower_bound) / lower_bound; 0: proven optimal. */
  gap: number;
  /** Which constraint or memory wall shapes the plan. */
  binding: string[];
  /** What one more device, twice the bandwidth ... would give. */
  what_if: { change: string; ttft_s: number; tpot_s: number; tokens_per_s: number }[];
}
