/**
 * The schema of graph files: the model, the actors and their edges, the devices and links, and the
 * workload that is planned for.
 *
 * @module
 */
import { z } from "zod";
import { deploymentPolicySchema } from "./deployment_policy.ts";
import { MODEL_PRESETS } from "./presets.ts";
import { flopsSchema, layersSchema, rateSchema, sizeSchema, timeSchema } from "./units.ts";
import { outlineTemplatesSchema } from "../outline/mod.ts";
import { HEAD_PARTS, wireSchema } from "../pipeline/mod.ts";
import { ALARMS, MOST_ALARMS, MOST_STATE_BYTES, STATE_BYTES } from "../system/mod.ts";

/** Schema of an object that refuses unknown fields; the error lists the known ones. */
const exactly = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `expected one of ${Object.keys(shape).join(", ")}`
        : undefined,
  });

const count = z.number().int().positive();
/** Most layers of a model. */
const MOST_LAYERS = 1024;
/** Most devices of a file. */
const MOST_DEVICES = 1024;
/** Most tokens of a prompt, of an answer, and of a context. */
const MOST_TOKENS = 2 ** 20;
/** Most tokens of a vocabulary. */
const MOST_VOCABULARY = 2 ** 24;
/** Most entries of lists that name devices, actors or edges. */
const MOST_ENTRIES = 1024;
/** Most links of a file: more than two for each pair of devices. */
const MOST_LINKS = 2 ** 20;
const name = z.string().min(1).max(128);
const PRECISION = z.enum(["q4", "q8", "f16", "f32"]);
/** Precisions of a model of the store. */
const STORED_PRECISION = z.enum(["q4", "q4m", "q8", "f16", "f32"]);

/** Names of the actors that every graph has. A custom actor gets another name. */
export const BUILT_IN_ACTORS = ["generation", "stages", "drafter", "outline"] as const;

/** Name of the API in edges: requests come from it and answers go to it. */
export const API = "api";

/** Names that a custom actor may not have, because the system's own actors use them. */
export const RESERVED_ACTORS = [
  "model",
  "cluster",
  "member",
  "actor_home",
  "weights",
  "stage",
  "head",
  "arbiter",
  "client",
  "graph",
] as const;

/** Name of a model in {@linkcode MODEL_PRESETS}. */
const preset = z.enum(
  Object.keys(MODEL_PRESETS) as [keyof typeof MODEL_PRESETS, ...(keyof typeof MODEL_PRESETS)[]],
);

const dimensions = {
  layers: count.max(MOST_LAYERS).describe("Decoder layers"),
  hidden: count.max(2 ** 20).describe("Elements of a row of hidden states"),
  vocab: count.max(MOST_VOCABULARY).describe("Tokens of the vocabulary"),
  heads: count.max(2 ** 16).describe("Attention heads"),
  kv_heads: count.max(2 ** 16).describe("Key and value heads"),
  head_dim: count.max(2 ** 16).describe("Elements of a head"),
  ffn: count.max(2 ** 24).describe("Inner width of the gated MLP"),
  context: count.max(MOST_TOKENS).describe("Longest context in rows"),
  tied: z.boolean().describe("Embedding and head are one matrix"),
};

const paperModel = exactly({
  preset: preset.optional().describe(
    "Dimensions of a well-known model; fields beside it replace its own",
  ),
  name: name.optional(),
  ...z.object(dimensions).partial().shape,
  precision: PRECISION.default("q4").describe("Precision of the weights"),
  kv_element_bytes: count.max(8).default(4).describe(
    "Bytes of an element of keys and values; the engine keeps them in f32",
  ),
}).superRefine((shape, context) => {
  if (shape.preset !== undefined) return;
  for (const key of Object.keys(dimensions) as (keyof typeof dimensions)[]) {
    if (shape[key] !== undefined || key === "tied" || key === "context") continue;
    context.addIssue({
      code: "custom",
      path: [key],
      message: "expected a whole number above 0 (or a preset)",
      input: undefined,
    });
  }
});

const shapeOnPaper = z.union([
  preset.transform((preset) => paperModel.parse({ preset })),
  paperModel,
], {
  error: `expected the dimensions of a model, or one of ${Object.keys(MODEL_PRESETS).join(", ")}`,
});

const model = z.union([
  name.transform((name) => ({ name, precision: undefined })),
  exactly({
    name: name.describe("Name in the model store, or a Hugging Face folder"),
    precision: STORED_PRECISION.optional(),
  }),
], { error: "expected the name or folder of a model" });

const drafter = z.union([
  z.enum(["auto", "none", "ngram"]),
  exactly({
    model: name.describe("Draft model, in the store"),
    host: name.optional().describe("Where it runs; left out: the planner chooses"),
    shape: shapeOnPaper.optional().describe("Its dimensions, where it is on paper only"),
    vocabulary: z.union([z.enum(["auto", "whole"]), z.int().min(256).max(MOST_VOCABULARY)], {
      error: `expected auto, whole or a number of tokens from 256 to ${MOST_VOCABULARY}`,
    }).optional().describe(
      "Tokens that its LM head has, the most frequent ones: the planner chooses (auto), all of them, or as many. Answers do not depend on it",
    ),
  }),
], { error: "expected auto, none, ngram or {model, host}" });

/** Matches the name of an environment variable. */
const ENV = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
/** Matches a host name, an IPv4 address or an IPv6 address in brackets, with or without a port. */
const NET = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:\d{1,5})?$/;

/** Schema of one permission: a single thing, never all of a kind. */
const grant = (expected: string, fits: (text: string) => boolean) =>
  z.string().refine((text) => text !== "all" && !text.includes("*") && fits(text), {
    error: `expected ${expected}; all of them cannot be granted`,
  });

const permissions = exactly({
  net: z.array(grant("a host such as api.example.com or 10.0.0.7:8080", (text) => NET.test(text)))
    .default([])
    .describe("Network hosts that the actor may connect to, as host or host:port"),
  read: z.array(grant(
    "a file or folder, relative to this file or from the root",
    (text) => text !== "" && !/^(~|[/\\]+$|[A-Za-z]:[/\\]*$)/.test(text),
  )).default([]).describe("Folders and files that the actor may read"),
  env: z.array(
    grant("the name of an environment variable such as API_KEY", (text) => ENV.test(text)),
  )
    .default([])
    .describe("Environment variables that the actor may read"),
});

const limits = exactly({
  compute_seconds: timeSchema.refine((s) => s >= 0.05 && s <= 600, {
    error: "expected 50 ms to 600 s",
  })
    .default(5)
    .describe("An actor that computes for longer without a pause is stopped and counts as crashed"),
  answer_seconds: timeSchema.refine((s) => s >= 0.05 && s <= 3600, {
    error: "expected 50 ms to 3600 s",
  })
    .default(120).describe("A handler that takes longer counts as crashed"),
  message_bytes: sizeSchema.refine((b) => b >= 1024 && b <= 16 * 2 ** 20, {
    error: "expected 1 KiB to 16 MiB",
  })
    .default(1 << 20).describe("Largest message to the actor, from it, and answer"),
  memory_bytes: sizeSchema.refine((b) => b >= 32 * 2 ** 20 && b <= 2 ** 31, {
    error: "expected 32 MiB to 2 GiB",
  }).default(256 * 2 ** 20).describe("An activation that takes more counts as crashed"),
});

const needs = exactly({
  memory_bytes: sizeSchema.refine((b) => b > 0, { error: "expected a size above 0" })
    .default(64 * 2 ** 20).describe("Memory that all of its activations take together"),
  cores: z.number().nonnegative().max(1024).default(0).describe(
    "Cores that it keeps busy while requests run; left out: too little to count",
  ),
  links: z.array(exactly({
    to: name.describe("api, model, or the name of another custom actor"),
    per_request: z.number().positive().max(1e6).default(1).describe(
      "Messages with it for each request",
    ),
  })).max(64).optional().describe(
    "With whom it exchanges messages; left out: as the edges say, and with the model",
  ),
  trusted: z.boolean().default(false).describe("Whether its host must be trusted"),
});

const customActor = exactly({
  name: name.regex(/^[a-z][a-z0-9_-]*$/, {
    error: "expected a name of a-z, 0-9, _ and - that begins with a letter",
  }),
  module: z.string().min(1).describe("TypeScript module, relative to this file"),
  config: z.record(z.string(), z.unknown()).default({}).describe(
    "Given to the actor as its config",
  ),
  permissions: permissions.default(() => permissions.parse({})).describe(
    "What the actor may use; everything else is refused",
  ),
  limits: limits.default(() => limits.parse({})),
  expose: z.boolean().default(false).describe("May clients ask it by POST /api/actors/NAME?"),
  messages: z.array(name).optional().describe("Names of the messages that it takes"),
  state: sizeSchema.refine((b) => b >= 1024 && b <= MOST_STATE_BYTES, {
    error: "expected 1 KiB to 1 MiB",
  }).default(STATE_BYTES).describe("Most bytes of the state of one actor, where it has a state"),
  alarms: z.int().min(0).max(MOST_ALARMS).default(ALARMS).describe(
    "Most alarms of one actor, where it sets alarms",
  ),
  host: name.optional().describe("Where it runs; left out: the planner chooses"),
  needs: needs.default(() => needs.parse({})).describe(
    "What its host must have, and with whom it exchanges messages: the planner places it by these",
  ),
});

const actors = exactly({
  stages: z.union([
    z.literal("auto"),
    z.array(exactly({ host: name, layers: layersSchema })).min(1).max(MOST_ENTRIES),
  ], { error: "expected auto or a list of {host, layers}" }).default("auto").describe(
    "Which layers go where",
  ),
  head: z.union([z.enum(["auto", "last"]), z.number().int().min(1).max(HEAD_PARTS)], {
    error: `expected auto, last or a number of hosts from 1 to ${HEAD_PARTS}`,
  }).default("auto").describe(
    "Which hosts compute the LM head: the planner chooses, the last stage's host alone, or as many",
  ),
  drafter: drafter.default("auto").describe("Where drafts come from"),
  outline: exactly({
    max_branches: count.max(64).optional().describe("Branches of one request at once"),
    templates: outlineTemplatesSchema.optional().describe(
      "Prompts that ask for the outline (with {question}) and for one point (with {point} or {index})",
    ),
    router: z.union([
      z.boolean(),
      z.enum(["rules", "model"]),
      exactly({
        suited: z.array(name).default([]).describe("Words whose questions get an outline"),
        unsuited: z.array(name).default([]).describe(
          "Words whose questions never get one; stronger than suited",
        ),
      }),
    ], { error: "expected true, false, rules, model or {suited, unsuited}" }).default(true)
      .describe(
        "Decides which questions get an outline; rules: by readable rules alone; model: the served model is asked first, one pass more; false: only those that ask for it",
      ),
  }).optional(),
  custom: z.array(customActor).max(MOST_ENTRIES).default([]),
});

const timesByRows = z.record(
  z.string().regex(/^[1-9]\d{0,5}$/, { error: "expected a number of rows" }),
  timeSchema,
)
  .refine((times) => Object.keys(times).length > 0, {
    error: "expected at least one entry such as 1: 0.004",
  });

const device = exactly({
  name,
  memory_bytes: sizeSchema.refine((bytes) => bytes > 0, { error: "expected a size above 0" })
    .describe(
      "Memory that stages may use: weights, KV cache, engine",
    ),
  layer_seconds: timesByRows.optional().describe("Seconds of one layer by rows of a frame"),
  embed_seconds: timesByRows.optional().describe(
    "Seconds of the embedding by rows; left out: by size, from the layer",
  ),
  head_seconds: timesByRows.optional()
    .describe(
      "Seconds of final norm, LM head and sampling by rows; left out: by size, from the layer",
    ),
  flops: flopsSchema.optional().describe("Instead of layer_seconds, with memory_bandwidth"),
  memory_bandwidth: rateSchema.optional().describe("Bytes a second, with flops"),
  frame_seconds: timeSchema.optional().describe("Fixed time of a frame at a stage"),
  overhead_bytes: sizeSchema.optional().describe(
    "Memory that the engine takes besides weights and KV cache",
  ),
  cores: count.max(4096).optional().describe("Cores, for custom actors; left out: 4"),
  trusted: z.boolean().default(true).describe(
    "Whether the device may hold an end of the model where trusted_ends is set",
  ),
}).superRefine((device, context) => {
  const paper = device.flops !== undefined && device.memory_bandwidth !== undefined;
  const half = (device.flops !== undefined) !== (device.memory_bandwidth !== undefined);
  if ((device.layer_seconds !== undefined) !== paper && !half) return;
  const message = device.layer_seconds && !half
    ? "expected either layer_seconds or flops with memory_bandwidth, not both"
    : "expected layer_seconds, or flops and memory_bandwidth together";
  context.addIssue({ code: "custom", message });
});

const link = exactly({
  from: name.describe('A device, or "*" for any'),
  to: name.describe('A device, or "*" for any'),
  seconds: timeSchema.describe("Latency one way"),
  bytes_per_s: rateSchema,
});

const uplink = exactly({
  devices: z.array(name).min(1).max(MOST_DEVICES).describe(
    "Devices behind the uplink; one alone: what its network card carries",
  ),
  bytes_per_s: rateSchema.describe(
    "Bandwidth of each direction, shared by all their links to others",
  ),
});

const workload = exactly({
  prompt_tokens: count.max(MOST_TOKENS).default(512),
  output_tokens: count.max(MOST_TOKENS).default(128),
  branches: count.max(64).default(1).describe("Outline branches of a request; 1: none"),
  concurrent: count.max(1024).default(1).describe("Requests at once"),
  acceptance: z.number().min(0).max(1).optional().describe(
    "Chance that a drafted token is accepted; left out: not known",
  ),
  kv_rows: count.max(2 ** 30).optional().describe(
    "KV rows to hold memory for; left out: what the workload needs",
  ),
});

const constraints = exactly({
  pin: z.array(exactly({ host: name, layers: layersSchema })).max(MOST_ENTRIES).default([])
    .describe(
      "Layers that are computed on the host",
    ),
  exclude: z.array(name).max(MOST_ENTRIES).default([]).describe("Hosts that are never used"),
  memory: z.array(exactly({ host: name, bytes: sizeSchema })).max(MOST_ENTRIES).default([])
    .describe(
      "Memory limits below the hosts' own",
    ),
  trusted_ends: z.boolean().default(false)
    .describe(
      "First and last stage, drafter and Generation are placed on trusted hosts. Frames still carry token ids through the stages between them",
    ),
  min_piece_rows: count.max(MOST_TOKENS).default(16).describe("Fewest rows of a prompt piece"),
});

const decode = exactly({
  mode: z.enum(["auto", "plain", "speculative", "outline"]).default("auto").describe(
    "Mode of requests that do not set one",
  ),
  route: z.enum(["auto", "one", "pipeline"]).default("auto").describe(
    "Which stages compute requests that do not say: a whole model on one node, or the pipeline; with pipeline no node keeps a whole model beside it",
  ),
  draft_length: z.int().min(0).max(64).optional().describe(
    "Longest draft; left out: the planner chooses",
  ),
  max_branches: count.max(64).optional().describe(
    "Branches in flight; left out: the planner chooses",
  ),
  wire: z.enum(["auto", ...wireSchema.options]).default("auto").describe(
    "Wire format of hidden states between stages",
  ),
});

const admission = exactly({
  active: count.max(1024).optional().describe("Requests that run at once at each node"),
  queued: z.int().min(0).max(65536).optional().describe(
    "Requests that wait at each node; more are refused",
  ),
  latency_ms: z.number().positive().max(60_000).optional().describe(
    "A request begins only while each one's tokens are likely to take at most so many milliseconds",
  ),
});

/** Schema of a whole graph file. `parseGraph` checks the references between its parts. */
export const graphSchema = exactly({
  $schema: z.string().optional().describe("Where editors find the JSON Schema of these files"),
  model: model.optional(),
  model_shape: shapeOnPaper.optional().describe(
    "A model on paper, by its dimensions; needed where `model` is not in the store",
  ),
  actors: actors.default(() => actors.parse({})),
  edges: z.array(exactly({ from: name, to: name })).max(MOST_ENTRIES).default([]).describe(
    "Which actor sends to which other",
  ),
  devices: z.union([z.literal("measured"), z.array(device).min(1).max(MOST_DEVICES)], {
    error: "expected measured or a list of devices",
  })
    .default("measured").describe("Measured by `deno task profile`, or described here"),
  links: z.array(link).max(MOST_LINKS).default([]).describe(
    'Both ways unless both are given; "*" is any device',
  ),
  uplinks: z.array(uplink).max(MOST_ENTRIES).default([]).describe(
    "Bandwidth that links share: uplinks of rooms, network cards",
  ),
  workload: workload.default(() => workload.parse({})),
  objective: z.enum(["latency", "throughput", "blended"]).default("blended")
    .describe(
      "latency: the sum over stages and links; throughput: seconds of an output token at full load; blended: the time of a request",
    ),
  lambda: z.number().nonnegative().optional().describe("Weight of the slowest stage under blended"),
  constraints: constraints.default(() => constraints.parse({})),
  decode: decode.default(() => decode.parse({})),
  admission: admission.default(() => admission.parse({})).describe(
    "Limits of a node whose options do not say; left out: 32 and 128",
  ),
  deployment: deploymentPolicySchema.default(() => deploymentPolicySchema.parse({})).describe(
    "How many copies there are, and when",
  ),
}).superRefine((graph, context) => {
  if (graph.model === undefined && graph.model_shape === undefined) {
    context.addIssue({
      code: "custom",
      path: ["model"],
      message: "expected the name or folder of a model, or a model_shape",
    });
  }
});

/** Schema of a device file: devices and links as in a graph file. */
export const deviceFileSchema = exactly({
  devices: z.array(device).min(1).max(MOST_DEVICES),
  links: z.array(link).max(MOST_LINKS).default([]).describe(
    'Both ways unless both are given; "*" is any device',
  ),
  uplinks: z.array(uplink).max(MOST_ENTRIES).default([]).describe(
    "Bandwidth that links share: uplinks of rooms, network cards",
  ),
});

/**
 * A parsed graph file: sizes in bytes, times in seconds, layers as `{first, last}`. See {@linkcode
 * graphSchema}.
 */
export type Graph = z.output<typeof graphSchema>;
/** A parsed device file. See {@linkcode deviceFileSchema}. */
export type DeviceFile = z.output<typeof deviceFileSchema>;
/** An entry of `actors.custom`; limits in seconds and bytes. */
export type CustomActor = Graph["actors"]["custom"][number];
/** A device as a graph or device file describes it. */
export type GraphDevice = z.output<typeof device>;
/** A link as a graph or device file describes it. */
export type GraphLink = z.output<typeof link>;
/** An uplink as a graph or device file describes it. */
export type GraphUplink = z.output<typeof uplink>;
/** A model that a graph file describes by its dimensions. */
export type PaperModel = z.output<typeof paperModel>;
