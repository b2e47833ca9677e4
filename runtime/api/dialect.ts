/**
 * What every API dialect adapts to: one internal task, and pieces of its answer to be dressed.
 *
 * @module
 */
import { z } from "zod";
import { MODES, type Sampling, samplingSchema } from "../../actors/mod.ts";
import { apiError } from "./errors.ts";
import { type GeneratedToken, type GenerateRequest, SAMPLING_FIELDS } from "./generator.ts";

/** One answer wanted from one prompt. */
export interface Choice {
  /**
   * Which of the request's prompts (0-based); its tokens count once in the usage however many
   * choices share it.
   */
  prompt: number;
  /** Put before the answer. */
  echo: string;
  request: GenerateRequest;
}

/** A request in any dialect, validated. */
export interface ApiTask {
  choices: Choice[];
  stream: boolean;
  includeUsage: boolean;
}

/** A part of one choice's answer: the whole, or one delta. */
export interface Piece {
  index: number;
  text: string;
  tokens: GeneratedToken[];
  /** Characters of token text before this piece, the echo included. */
  offset: number;
  /** Are log-probabilities asked for? */
  logprobs: boolean;
  /** Outline branch that a delta belongs to. */
  branch?: number;
}

/**
 * How an endpoint reads its request and words its answer. Every method but `parse` gives one entry
 * of `choices`.
 */
export interface Dialect {
  idPrefix: string;
  /** `object` of a whole answer and of a chunk. */
  object: { whole: string; chunk: string };
  /** Errors: `invalid_value` and `unsupported_parameter` (metadata: `param`). */
  parse(body: unknown): ApiTask;
  whole(piece: Piece, finishReason: string): unknown;
  /** First chunk of a choice, if the dialect has one. */
  open(index: number, echo: string): unknown;
  delta(piece: Piece): unknown;
  close(index: number, finishReason: string): unknown;
}

/** Most answers that one request may ask of one prompt. */
const maxAnswers = 8;

/** Most tokens that one request may bias, as the engine's sampling takes them. */
const maxBiases = 1024;

/** Longest point of an outline that a client gives. */
const maxPointChars = 500;

const unsupportedText = "is not supported by this server";

/** The message for a field that is known, has an effect, and cannot be honoured. */
export const unsupported = { error: `${unsupportedText}: leave it out` };

const range = samplingSchema.shape;

/** Fields that the dialects share. Unknown fields are ignored; `null` is the same as left out. */
export const commonFields = {
  model: z.string().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  n: z.int().min(1).max(maxAnswers).nullish(),
  max_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: range.top_p.unwrap().nullish(),
  top_k: range.top_k.unwrap().nullish(),
  min_p: range.min_p.unwrap().nullish(),
  repetition_penalty: range.repetition_penalty.unwrap().nullish(),
  presence_penalty: range.presence_penalty.unwrap().nullish(),
  frequency_penalty: range.frequency_penalty.unwrap().nullish(),
  seed: z.int().nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(16)]).nullish(),
  /** OpenAI's predicted outputs: its tokens are drafts. */
  prediction: z.object({
    type: z.literal("content"),
    content: z.union([
      z.string(),
      z.array(z.object({ type: z.literal("text"), text: z.string() })),
      // As a prompt may: token ids, taken as they are.
      z.array(z.int().nonnegative()).min(1),
    ]),
  }).nullish(),
  logit_bias: z.record(
    z.string().regex(/^\d{1,9}$/, "keys must be token ids"),
    z.number().min(-100).max(100),
  )
    .refine(
      (biases) => Object.keys(biases).length <= maxBiases,
      `takes at most ${maxBiases} tokens`,
    )
    .nullish(),
  /** Orrery's own settings. */
  orrery: z.strictObject({
    /** Prompt rows in one prefill piece. */
    piece_rows: z.int().min(1).optional(),
    /** Go on past the end-of-text token until `max_tokens`. */
    ignore_eos: z.boolean().optional(),
    /** Prompt pieces, of equal size; goes before `piece_rows`. */
    pieces: z.int().min(1).max(1024).optional(),
    /** How to answer; `auto` takes what serves best. */
    mode: z.enum(MODES).optional(),
    /**
     * Longest draft of `auto`, or, where speculation is asked for, the drafts' length whether that
     * pays or not; 0: none.
     */
    draft_length: z.int().min(0).max(32).optional(),
    /**
     * Alternatives beside the drafter's choice: never, always; left out: where they are likely
     * enough.
     */
    draft_tree: z.boolean().optional(),
    /** The points of the outline, which is then not generated. */
    points: z.array(z.string().trim().min(1).max(maxPointChars)).min(1).max(30).optional(),
    /** Outline branches at once. */
    max_branches: z.int().min(1).max(64).optional(),
    /** Stream all branches as they come instead of one text in order. */
    live_branches: z.boolean().optional(),
  }).nullish(),
};

const commonSchema = z.object(commonFields);

/** What {@linkcode commonFields} yields. */
type Common = z.infer<typeof commonSchema>;

/** Parses a body or throws the first fault as an `api` error whose `param` is the field's path. */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body, { reportInput: true });
  if (result.success) return result.data;
  const { path, message, input } = deepest(result.error.issues[0]);
  const param = path.reduce<string>(
    (text, key) =>
      typeof key === "number" ? `${text}[${key}]` : text ? `${text}.${String(key)}` : String(key),
    "",
  );
  const fault = message.replace(/^Invalid input: /, "");
  const shown = input === null || typeof input === "object" || fault.includes("received")
    ? ""
    : `, got ${JSON.stringify(input)?.slice(0, 80)}`;
  const code = message.startsWith(unsupportedText) ? "unsupported_parameter" : "invalid_value";
  throw apiError(code, `${param || "the request body"}: ${fault}${shown}`, param || undefined);
}

/** In a union without a message of its own the branch that got furthest says best what is wrong. */
function deepest(
  issue: z.core.$ZodIssue,
): { path: PropertyKey[]; message: string; input?: unknown } {
  if (issue.code !== "invalid_union" || issue.message !== "Invalid input") return issue;
  const inner = issue.errors.flatMap(([first]) => first ? [deepest(first)] : []);
  const expected = inner.flatMap(({ message }) =>
    message.match(/expected (\w+), received/)?.[1] ?? []
  );
  const best = inner.find(({ message, path }) =>
    path.length > 0 || !/expected \w+, received/.test(message)
  );
  if (best) return { ...best, path: [...issue.path, ...best.path] };
  return { path: issue.path, message: `expected ${expected.join(" or ")}`, input: issue.input };
}

/** Orrery's own settings as the generator takes them; what was left out is left out. */
function ownSettings(own: Common["orrery"]): Partial<GenerateRequest> {
  if (!own) return {};
  const { piece_rows, ignore_eos, pieces, mode, draft_length, max_branches, live_branches } = own;
  const { draft_tree, points } = own;
  if (points !== undefined && (mode === "plain" || mode === "speculative")) {
    throw apiError(
      "invalid_value",
      `orrery.points: an answer of mode ${mode} has no outline`,
      "orrery.points",
    );
  }
  return {
    ...(piece_rows !== undefined && { pieceRows: piece_rows }),
    ...(ignore_eos && { ignoreEos: true }),
    ...(pieces !== undefined && { pieces }),
    ...(mode !== undefined && { mode }),
    ...(draft_length !== undefined && { draftLength: draft_length }),
    ...(draft_tree !== undefined && { draftTree: draft_tree }),
    ...(points !== undefined && { points }),
    ...(max_branches !== undefined && { maxBranches: max_branches }),
    ...(live_branches && { liveBranches: true }),
  };
}

/**
 * The task that a request's shared fields and its prompts describe: `n` choices a prompt, seeds
 * counted up.
 */
export function toTask(
  common: Common,
  prompts: { prompt: GenerateRequest["prompt"]; echo: string }[],
  logprobs: Pick<Sampling, "logprobs" | "top_logprobs">,
): ApiTask {
  if (common.stream_options && !common.stream) {
    throw apiError(
      "invalid_value",
      "stream_options: only allowed when stream is true",
      "stream_options",
    );
  }
  const sampling: Partial<Sampling> = { ...logprobs };
  for (const key of SAMPLING_FIELDS) {
    const value = common[key];
    if (value !== null && value !== undefined) sampling[key] = value;
  }
  if (common.logit_bias) {
    sampling.logit_bias = Object.entries(common.logit_bias).map(([id, bias]) => [Number(id), bias]);
  }
  const own = ownSettings(common.orrery);
  if (own.points !== undefined && prompts.some(({ prompt }) => prompt.kind !== "chat")) {
    throw apiError(
      "invalid_value",
      "orrery.points: an outline needs chat messages; use /v1/chat/completions",
      "orrery.points",
    );
  }
  const content = common.prediction?.content;
  const prediction = Array.isArray(content)
    ? content.every((part) => typeof part === "number")
      ? content
      : content.map(({ text }) => text).join("")
    : content;
  const seed = common.seed ?? crypto.getRandomValues(new Uint32Array(1))[0];
  const choices = prompts.flatMap(({ prompt, echo }, index) =>
    Array.from({ length: common.n ?? 1 }, (_, k): Choice => ({
      prompt: index,
      echo,
      request: {
        model: common.model ?? "default",
        prompt,
        sampling: { ...sampling, seed: Number(BigInt.asUintN(32, BigInt(seed) + BigInt(k))) },
        stop: [common.stop ?? []].flat(),
        ...(common.max_tokens && { maxTokens: common.max_tokens }),
        ...(prediction !== undefined && { prediction }),
        ...own,
      },
    }))
  );
  return {
    choices,
    stream: common.stream ?? false,
    includeUsage: common.stream_options?.include_usage ?? false,
  };
}
