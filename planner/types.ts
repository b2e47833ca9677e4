/**
 * The planner's input and its answer. Times are in seconds, sizes in bytes, lengths in rows
 * (tokens); layers are 0-based and ranges of layers inclusive.
 *
 * "Device" and "host" mean a node, or a machine that a graph file describes.
 *
 * @module
 */
import type { RequestRoute, RouteFigures, StatesKept, Wire } from "../actors/mod.ts";
import type { PlacedActor } from "./place_actors.ts";

/**
 * Measured times: `seconds[i][j]` is the time of a frame of `rows[i]` rows with `past[j]` rows
 * before it. Both axes ascend.
 */
export interface TimeTable {
  /** Rows of a frame, ascending. (rows) */
  rows: number[];
  /**
   * Rows before the frame, ascending; `[0]` where the time does not depend on them (embedding,
   * head). (past)
   */
  past: number[];
  /** Seconds. (rows, past) */
  seconds: number[][];
}

/** A node as it was measured, or a machine as a graph or device file describes it. */
export interface Device {
  /** Id of the node, or the name in the file; unique among the devices. */
  name: string;
  /** Bytes of its memory that stages may use: for weights, KV cache and engine. */
  memoryBytes: number;
  /** Bytes that an engine takes besides weights and KV cache. */
  overheadBytes: number;
  /** Seconds of one layer. */
  layer: TimeTable;
  /** Seconds of the embedding; `past` is `[0]`. */
  embed: TimeTable;
  /** Seconds of final norm, LM head and sampling, by wanted rows; `past` is `[0]`. */
  head: TimeTable;
  /** Seconds that each frame takes at a stage besides computing: mailbox, queue, worker. */
  frameSeconds: number;
  /**
   * Whether it may hold an end of the model, the drafter or the Generation where `trustedEnds` is
   * set. @default true
   */
  trusted: boolean;
}

/**
 * Links between all pairs of devices: `seconds[from][to]`, `bytesPerS[from][to]`, by index in the
 * list of devices. On the diagonal 0 and Infinity.
 */
export interface Links {
  /** Latency of a message one way, in seconds. (devices, devices) */
  seconds: number[][];
  /** Bandwidth in bytes a second. (devices, devices) */
  bytesPerS: number[][];
  /** Bandwidth that several of these links share. @default none is shared */
  uplinks?: readonly Uplink[];
}

/**
 * Bandwidth that all links between some devices and the others share, in each direction by itself:
 * the uplink of a room; with one device, its network card.
 */
export interface Uplink {
  /** Indices of the devices on its one side. */
  devices: readonly number[];
  /** Bandwidth of each direction, in bytes a second. */
  bytesPerS: number;
}

/** The sizes of a model that placement depends on. */
export interface ModelShape {
  /** Name for people. */
  name: string;
  /** Decoder layers. */
  layers: number;
  /** Elements of a row of hidden states. */
  hidden: number;
  /** Tokens in the vocabulary. */
  vocab: number;
  /** Longest context in rows. */
  context: number;
  /** Bytes that each layer's weights take in memory. (layers) */
  layerBytes: number[];
  /** Bytes that the embedding takes in memory. */
  embedBytes: number;
  /** Bytes that final norm and LM head take in memory. */
  headBytes: number;
  /** Whether embedding and LM head are one matrix, which a device with both holds once. */
  tied: boolean;
  /** Bytes that one row takes in one layer's KV cache; of layers that differ, the mean. */
  kvBytesPerRow: number;
  /** The same of each layer. (layers) @default all are alike */
  kvLayerBytes?: readonly number[];
  /**
   * Layers with a sliding window, by their numbers from 0, and the positions that a row attends to in
   * them: they keep only the rows that they need. @default there are none
   */
  windowed?: { window: number; layers: readonly number[] };
  /** Recurrent states that an arena keeps. @default no layer has one */
  states?: StatesKept & {
    /** Bytes of one in each layer. (layers) */
    layerBytes: readonly number[];
  };
  /**
   * Multiply-add operations of one row in one layer's matrices. Used for devices that are
   * described, not measured.
   */
  macsPerRow: number;
  /** Multiply-add operations of one row in one layer's attention, for each row before it. */
  macsPerPastRow: number;
  /**
   * Each layer's experts, which are all in memory, and of which a row reads and computes some; its
   * `macsPerRow` counts those alone. Used for devices that are described. @default none
   */
  experts?: {
    /** Bytes that a layer's experts take in memory, all together. */
    bytes: number;
    /** Experts of a layer. */
    count: number;
    /** Experts that a row reads. */
    active: number;
  };
}

/** A draft model that may be placed. It runs as a whole on one device. */
export interface DraftModel {
  /** Name for people. */
  name: string;
  /** Bytes of its weights and of its KV cache for the workload. */
  bytes: number;
  /** Seconds of one drafted token on each device. (devices) */
  secondsPerToken: number[];
  /** Its LM head, which may do with fewer tokens; undefined: it runs whole. */
  head?: {
    /** Tokens in the vocabulary. */
    vocab: number;
    /** How much of `bytes` is the head's. */
    bytes: number;
    /** How much of `secondsPerToken` is the head's. (devices) */
    seconds: number[];
  };
}

/** The requests that the plan is made for. */
export interface Workload {
  /** Tokens of a prompt. */
  promptTokens: number;
  /**
   * Tokens of an answer, all branches together. KV cache is planned as if each branch could have as
   * many.
   */
  outputTokens: number;
  /** Outline branches of a request; 1: no outline. */
  branches: number;
  /** Requests that run at once. */
  concurrent: number;
  /**
   * Acceptance rate of drafted tokens, 0 to 1; undefined: not known, then no speculation is
   * planned.
   */
  acceptance?: number;
  /**
   * Rows of KV cache that every stage has memory for. @default concurrent * (promptTokens +
   * outputTokens * branches)
   */
  kvRows?: number;
}

/**
 * What the plan minimises. `latency`: the sum over stages and links. `throughput`: the slowest
 * stage or link. `blended`: sum + lambda * slowest.
 */
export type Objective = "latency" | "throughput" | "blended";

/** Limits that a user sets. `host` is a device's name. */
export interface Constraints {
  /** Layers that are computed on this device in any case. */
  pin: { host: string; first: number; last: number }[];
  /** Names of devices that are not used. */
  exclude: string[];
  /** Memory limits, in bytes, below the devices' own. */
  memory: { host: string; bytes: number }[];
  /** Whether embedding, head, drafter and Generation stay on trusted devices. */
  trustedEnds: boolean;
  /** Fewest rows of a prompt piece. */
  minPieceRows: number;
}

/** Everything that a plan depends on. */
export interface PlanInput {
  /** The model to place. */
  model: ModelShape;
  /** The devices on which it may be placed. */
  devices: Device[];
  /** The links between them. */
  links: Links;
  /** The requests that the plan is made for. */
  workload: Workload;
  /** What the plan minimises. */
  objective: Objective;
  /**
   * Weight of the slowest stage under `blended`. @default the weights with which the objective is
   * the time of one request of the workload
   */
  lambda?: number;
  /** The user's limits. */
  constraints: Constraints;
  /**
   * Name of the device where requests enter and tokens return to (the Generation actor); undefined:
   * the planner chooses.
   */
  coordinator?: string;
  /** The draft model; undefined: there is none. */
  draft?: DraftModel;
  /** Wire format of hidden states; undefined: the planner chooses between f16 and int8. */
  wire?: Wire;
  /** What the user sets about decoding; undefined: nothing. */
  decode?: DecodeLimits;
}

/** What a user sets about decoding. The planner chooses what is undefined. */
export interface DecodeLimits {
  /**
   * `none`: no speculation. `ngram`: prompt lookup, also where there is a draft model. @default the
   * draft model if there is one, otherwise ngram
   */
  drafter?: "none" | "ngram";
  /** Name of the device that runs the draft model. */
  draftHost?: string;
  /** Longest draft in tokens. @default 8 */
  draftLength?: number;
  /**
   * Tokens that the draft model's head has. @default as many as give the most tokens a second, less
   * than all only of a large vocabulary
   */
  draftVocabulary?: "whole" | number;
  /** Most outline branches that run at once. @default the workload's branches */
  maxBranches?: number;
  /**
   * Number of devices, 1 to 8, that compute the LM head; 1: the last stage alone. @default the
   * planner chooses
   */
  headShares?: number;
  /**
   * Which stages compute requests. `one`: a whole model is kept where memory allows; `pipeline`:
   * none is. @default "auto": one is kept where some requests gain by it
   */
  route?: RequestRoute;
}

/** A stage of a plan. The names are those of the JSON. */
export interface PlanStage {
  /** Name of its device. */
  readonly host: string;
  /** First layer, 0-based. */
  readonly first_layer: number;
  /** Last layer, inclusive. */
  readonly last_layer: number;
  /** Bytes of its weights in memory. */
  readonly weight_bytes: number;
  /** Bytes of its KV cache in memory, for the plan's `kv_rows` rows. */
  readonly kv_bytes: number;
  /**
   * Seconds of one decode row in the middle of the answer, with the prompt and half of the output
   * before it.
   */
  readonly seconds_per_row: number;
  /** The reason, with its figures. */
  readonly why: string;
}

/** A device's share of the LM head, which is cut by vocabulary rows into 8 parts. */
export interface HeadShare {
  /** Name of the device. */
  readonly device: string;
  /** First part, 0 to 7. */
  readonly first_part: number;
  /** Last part, inclusive, 0 to 7. */
  readonly last_part: number;
}

/** The device that also keeps the whole model, for requests that are quicker on one device. */
export interface PlanSolo {
  /** Name of the device; null: none does. */
  readonly host: string | null;
  /** Bytes of the whole model's weights in memory, besides those of its stage. */
  readonly weight_bytes: number;
  /** Bytes of its KV cache for one request of the workload. */
  readonly kv_bytes: number;
  /** The reason, with its figures. */
  readonly why: string;
  /**
   * When its node loads the model. `when asked`: with the first request that takes it, because it
   * may never gain anything.
   */
  readonly load: "at once" | "when asked";
  /** Predictions of both routes, from which a gateway node chooses; undefined: `host` is null. */
  readonly figures?: { readonly one: RouteFigures; readonly pipeline: RouteFigures };
}

/** How decoding speculates. */
export interface PlanDraft {
  /** Where drafts come from. `none`: there are none, and `why` says why. */
  readonly source: "model" | "ngram" | "none";
  /** Name of the device that runs the draft model; null: there is none. */
  readonly host: string | null;
  /** Tokens that the draft model's head has; left out: all. */
  readonly vocabulary?: number;
  /** Tokens of a draft, along its longest path; 0: no drafts. */
  readonly length: number;
  /** Alternatives at each depth of the draft tree; all 1: a chain. (length) */
  readonly tree: readonly number[];
  /** The reason, with its figures. */
  readonly why: string;
}

/**
 * A finished plan, as `plan()` returns it. It is readonly data: equal inputs give equal bytes as
 * JSON. Facts are added by {@linkcode annotated}, which makes a new plan.
 */
export interface Plan {
  /** Name of the model. */
  readonly model: string;
  /** What the plan minimises. */
  readonly objective: Objective;
  /** Name of the device with the Generation actor, where requests enter and tokens return to. */
  readonly coordinator: string;
  /** The stages, in pipeline order. */
  readonly stages: readonly PlanStage[];
  /**
   * Which devices compute the LM head: parts 0 to 7 in order, each once; undefined: the last stage
   * has the whole head.
   */
  readonly head?: readonly HeadShare[];
  /** The device that also keeps the whole model; undefined: the plan was made without asking. */
  readonly solo?: PlanSolo;
  /** Rows of each piece of the workload's prompt, in order. */
  readonly pieces: readonly number[];
  /**
   * Rows of the pieces by prompt length, and the TTFT in seconds of a prompt of that length. A
   * prompt takes the first bucket that is not shorter than it, and its last piece ends with the
   * prompt.
   */
  readonly piece_buckets: readonly {
    readonly prompt_tokens: number;
    readonly rows: readonly number[];
    readonly ttft_s: number;
  }[];
  /** How decoding speculates. */
  readonly draft: PlanDraft;
  /** Outline branches that run at once, and most rows of a frame that they share. */
  readonly branches: {
    readonly in_flight: number;
    readonly rows_per_frame: number;
    readonly why: string;
  };
  /** Wire format of the hidden states between stages. */
  readonly wire: { readonly format: Wire; readonly why: string };
  /** Rows of KV cache that every stage has memory for. */
  readonly kv_rows: number;
  /** Rows of KV cache that windowed layers have memory for; undefined: the model has none. */
  readonly window_rows?: number;
  /**
   * Devices that can take over a stage's layers when its device dies. `host` null: no device has
   * the memory today.
   */
  readonly backups: readonly {
    readonly first_layer: number;
    readonly last_layer: number;
    readonly host: string | null;
    readonly why: string;
  }[];
  /** Where custom actors run; left out: the graph has none, or they were not placed. */
  readonly actors?: readonly PlacedActor[];
  /** Devices without a stage. */
  readonly idle: readonly { readonly host: string; readonly why: string }[];
  /** Predictions for the workload. */
  readonly predicted: {
    /** Seconds from the prompt to the first token. */
    readonly ttft_s: number;
    /** TPOT in seconds of one stream without drafts. */
    readonly tpot_s: number;
    /** Tokens a second of one request as the plan runs it, with drafts and branches. */
    readonly tokens_per_s: number;
  };
  /** The slowest part, and the seconds that it takes. */
  readonly bottleneck: {
    readonly kind: "stage" | "link" | "latency";
    readonly what: string;
    readonly seconds: number;
    readonly why: string;
  };
  /**
   * What the objective reckons with: the placement is optimal, or within the gap, for this many
   * pieces and these decode frames.
   */
  readonly reckoned: {
    /** Equal pieces that the prompt is cut into. */
    readonly pieces: number;
    /** Decode frames on their way at once. */
    readonly frames: number;
    /** Rows of each of them. */
    readonly rows: number;
    /** Tokens that these frames give together: one a lane, or what a draft is expected to give. */
    readonly tokens: number;
  };
  /** Value of the objective for this placement, in seconds. */
  readonly objective_s: number;
  /** A lower bound of the objective for any placement, in seconds. */
  readonly lower_bound: number;
  /** (objective_s - lower_bound) / lower_bound; 0: the placement is proven optimal. */
  readonly gap: number;
  /** The limits that shape the plan, each with what it costs. */
  readonly binding: readonly string[];
  /** Predictions with one more device, twice the bandwidth and other changes. */
  readonly what_if: readonly {
    readonly change: string;
    readonly ttft_s: number;
    readonly tpot_s: number;
    readonly tokens_per_s: number;
  }[];
}
