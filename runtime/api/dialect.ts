/**
 * What every API dialect (chat, completions) has in common: one internal task that a request
 * becomes, and the pieces of its answer that the dialect words as JSON.
 *
 * @module
 */
import { z } from "zod";
import { MODES, ROUTES, type Sampling, samplingSchema } from "../../actors/mod.ts";
import { apiError } from "./errors.ts";
import { type GeneratedToken, type GenerateRequest, SAMPLING_FIELDS } from "./generator.ts";

/** One answer that a request asks for. */
export interface ApiChoice {
  /**
   * Index of the prompt within the request, from 0. Choices may share a prompt: the usage counts
   * its tokens once.
   */
  prompt: number;
  /** Text that the response puts before the answer; empty: none. */
  echo: string;
  /** What the generator is asked. */
  request: GenerateRequest;
}

/** A validated request of any dialect. */
export interface ApiTask {
  /** The answers asked for, at least one. */
  choices: ApiChoice[];
  /** Send the answer as server-sent events? */
  stream: boolean;
  /** End a stream with a chunk that has the usage? */
  includeUsage: boolean;
}

/** A part of one choice's answer: the whole answer, or one delta of a stream. */
export interface TextPiece {
  /** Number of the choice, from 0. */
  index: number;
  /** Text of the piece; may be empty. */
  text: string;
  /** Tokens of the piece. */
  tokens: GeneratedToken[];
  /** Characters of token text before this piece, the echo included. */
  offset: number;
  /** Does the request ask for log-probabilities? */
  logprobs: boolean;
  /** Outline branch that a delta belongs to, from 0; undefined: the text is one. */
  branch?: number;
}

/**
 * How an endpoint reads its request and words its answer. Every method but `parse` returns one
 * entry of the response's `choices`.
 */
export interface Dialect {
  /** What the ids of this endpoint's answers begin with. */
  idPrefix: string;
  /** The `object` field of a whole answer and of a chunk. */
  object: { whole: string; chunk: string };
  /** Throws group `api`: `invalid_value`, `unsupported_parameter` (metadata: `param`). */
  parse(body: unknown): ApiTask;
  /** The entry of a whole answer. */
  whole(piece: TextPiece, finishReason: string): unknown;
  /** The entry of a choice's first chunk; undefined: the choice begins with its first text. */
  open(index: number, echo: string): unknown;
  /** The entry of a chunk with text. */
  delta(piece: TextPiece): unknown;
  /** The entry of a choice's last chunk. */
  close(index: number, finishReason: string): unknown;
}

/** Largest `n`: answers that one request may ask for, per prompt. */
const MOST_ANSWERS = 8;

/** Largest number of entries of `logit_bias`: the engine's sampling takes no more. */
const MOST_BIASES = 1024;

/** Longest point of an outline that a client may give, in characters. */
const MOST_POINT_CHARS = 500;

const UNSUPPORTED = "is not supported by this server";

/** The message for a field that OpenAI's API has and this server cannot honour. */
export const unsupported = { error: `${UNSUPPORTED}: leave it out` };

/** Bounds of the sampling fields, as the engine takes them. */
const range = samplingSchema.shape;

/** Fields that both dialects take. Unknown fields are ignored; `null` means left out. */
export const commonFields = {
  model: z.string().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  n: z.int().min(1).max(MOST_ANSWERS).nullish(),
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
  /** OpenAI's predicted outputs: the engine verifies its tokens as drafts. */
  prediction: z.object({
    type: z.literal("content"),
    content: z.union([
      z.string(),
      z.array(z.object({ type: z.literal("text"), text: z.string() })),
      // Token ids, which a prompt may be too.
      z.array(z.int().nonnegative()).min(1),
    ]),
  }).nullish(),
  logit_bias: z.record(
    z.string().regex(/^\d{1,9}$/, "keys must be token ids"),
    z.number().min(-100).max(100),
  )
    .refine(
      (biases) => Object.keys(biases).length <= MOST_BIASES,
      `takes at most ${MOST_BIASES} tokens`,
    )
    .nullish(),
  /** Settings that only Orrery has. */
  orrery: z.strictObject({
    /** Rows in each prefill piece of the prompt; ignored where `pieces` is given. */
    piece_rows: z.int().min(1).optional(),
    /** Generate past the end-of-text token, until `max_tokens`. */
    ignore_eos: z.boolean().optional(),
    /** False: no row of the prompt is taken from earlier requests, or kept for later ones. */
    reuse: z.boolean().optional(),
    /** Number of prefill pieces of the prompt, all of about equal size. */
    pieces: z.int().min(1).max(1024).optional(),
    /** How to generate the answer; with `auto` the node chooses. */
    mode: z.enum(MODES).optional(),
    /** Which stages compute the answer; with `auto` the node chooses. */
    route: z.enum(ROUTES).optional(),
    /**
     * Draft tokens: with mode `auto` the longest draft, with a speculative mode the length of every
     * draft, whether that is faster or not. 0: no drafts.
     */
    draft_length: z.int().min(0).max(32).optional(),
    /**
     * Draft alternatives beside the drafter's first choice: false never, true always; left out:
     * where they are likely enough to be accepted.
     */
    draft_tree: z.boolean().optional(),
    /** Points of the outline, written by the client: the model then generates no outline. */
    points: z.array(z.string().trim().min(1).max(MOST_POINT_CHARS)).min(1).max(30).optional(),
    /** Largest number of outline branches that run at the same time. */
    max_branches: z.int().min(1).max(64).optional(),
    /** Stream the text of all branches as it arrives, instead of one text in order. */
    live_branches: z.boolean().optional(),
  }).nullish(),
};

const commonSchema = z.object(commonFields);

/** The parsed {@linkcode commonFields}. */
type Common = z.infer<typeof commonSchema>;

/**
 * The body as the schema parses it. Throws the first problem as group `api`, code `invalid_value`
 * or `unsupported_parameter`; metadata `param` is the field's path, such as `messages[0].role`.
 */
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
  const unsupported = message.startsWith(UNSUPPORTED);
  throw apiError(
    unsupported ? "unsupported_parameter" : "invalid_value",
    `${param || "the request body"}: ${fault}${shown}`,
    param || undefined,
  );
}

/**
 * The problem to report for an issue. A union without a message of its own says only that nothing
 * fits; the alternative that parsed furthest then says best what is wrong.
 */
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

/** The `orrery` object as the generator takes it; fields that were left out stay left out. */
function ownSettings(own: Common["orrery"]): Partial<GenerateRequest> {
  if (!own) return {};
  const { mode, points } = own;
  if (points !== undefined && (mode === "plain" || mode === "speculative")) {
    throw apiError(
      "invalid_value",
      `orrery.points: an answer of mode ${mode} has no outline`,
      "orrery.points",
    );
  }
  return {
    ...(own.piece_rows !== undefined && { pieceRows: own.piece_rows }),
    ...(own.ignore_eos && { ignoreEos: true }),
    ...(own.reuse === false && { reuse: false }),
    ...(own.pieces !== undefined && { pieces: own.pieces }),
    ...(mode !== undefined && { mode }),
    ...(own.route !== undefined && { route: own.route }),
    ...(own.draft_length !== undefined && { draftLength: own.draft_length }),
    ...(own.draft_tree !== undefined && { draftTree: own.draft_tree }),
    ...(points !== undefined && { points }),
    ...(own.max_branches !== undefined && { maxBranches: own.max_branches }),
    ...(own.live_branches && { liveBranches: true }),
  };
}

/**
 * The task of a request with these common fields and prompts: `n` choices for each prompt, choice
 * `k` of a prompt with seed `seed + k` (32 bits). A seed that is left out is drawn at random.
 * Throws group `api`, code `invalid_value`, for fields that exclude each other.
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
    Array.from({ length: common.n ?? 1 }, (_, k): ApiChoice => ({
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
