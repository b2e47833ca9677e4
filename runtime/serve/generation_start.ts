/**
 * From an API request to the start message of a generation: limits, defaults of the model, and how
 * the answer is to be made.
 *
 * @module
 */
import { type Deployment, OrreryError, samplingSchema, type Start } from "../../actors/mod.ts";
import type { GenerateRequest } from "../api/mod.ts";
import { fittingTokens, type LeastRoom } from "./kv_rooms.ts";
import type { ServedModel } from "./served_model.ts";

/** Tokens of an answer where neither the request nor the model has a limit. */
const DEFAULT_MAX_TOKENS = 512;

/**
 * Largest length of an answer by outline, in multiples of a plain one where the request has no
 * limit: each point takes about a third of a plain answer's tokens.
 */
const OUTLINE_SHARE = 4;

/** The fields of a start message that the request and the model decide. */
export type RequestedStart = Omit<
  Start,
  | "arbiter"
  | "solo"
  | "stages"
  | "nodes"
  | "shape"
  | "drafter"
  | "measured"
  | "answer_tokens"
  | "others"
  | "client"
>;

/**
 * The start message's fields for a request of this model. Throws group `api`: `invalid_prompt`,
 * `context_exceeded`, `kv_exceeded`; what `ServedModel.prepare` throws; and the signal's reason.
 */
export async function requestedStart(
  request: GenerateRequest,
  { model, deployment, room: least, refuses = false }: {
    model: ServedModel;
    deployment: Deployment;
    /** The node that has memory for the fewest positions. @default none is known */
    room?: LeastRoom;
    /** The answer is held to a refusal, whatever the mode. @default false */
    refuses?: boolean;
  },
  signal: AbortSignal,
): Promise<RequestedStart> {
  const { context } = model.card;
  await model.prepare(request.prompt, signal);
  const prompt = model.encode(request.prompt);
  if (prompt.length === 0) throw invalidPrompt("the prompt has no tokens; say something");
  const room = context - prompt.length;
  if (room < (request.maxTokens === 0 ? 0 : 1)) {
    // Clients look for "maximum context length" in the text.
    throw new OrreryError({
      group: "api",
      code: "context_exceeded",
      message:
        `this model's maximum context length is ${context} tokens, and the prompt has ${prompt.length}: ` +
        `shorten it to ${context - 1} or less, so that there is room for an answer`,
      metadata: {
        param: fieldOf(request),
        prompt_tokens: prompt.length,
        context,
      },
    });
  }
  // What is asked for beyond the context is cut: the answer then ends with the reason `length`.
  const wanted = fittingTokens({
    prompt: prompt.length,
    wanted: Math.min(request.maxTokens ?? model.defaults.maxTokens ?? DEFAULT_MAX_TOKENS, room),
    stated: request.maxTokens !== undefined,
    param: fieldOf(request),
  }, least);
  checkTokens(prompt, model);
  return {
    ...modeOf(request, deployment),
    route: request.route ?? deployment.shape.policy?.route ?? "auto",
    prompt,
    max_tokens: wanted,
    // The branches share these tokens evenly, and together say more than a plain answer: where the
    // request has no limit, the limit of a plain answer would cut them.
    outline_tokens: wanted === 0
      ? undefined
      : Math.min(request.maxTokens ?? OUTLINE_SHARE * wanted, room),
    prompt_logprobs: request.promptLogprobs,
    sampling: samplingOf(request, model),
    stop: request.stop,
    ...endOf(request, { model, refuses }),
    context,
    reuse: request.reuse ?? true,
    draft_length: request.draftLength,
    draft_tree: request.draftTree,
    prediction: request.prediction === undefined
      ? undefined
      : (await predictionTokens(request.prediction, model, signal)).slice(0, context),
    points: request.points,
    max_branches: request.maxBranches,
    pieces: piecesOf(request, prompt.length),
    live_branches: request.liveBranches ?? false,
    ...(request.resumed && { resumed: request.resumed }),
    ...(request.progress && { progress: true }),
  };
}

/**
 * Token ids of an input whose vector is wanted. Throws group `api`: `invalid_prompt`,
 * `context_exceeded`.
 */
export async function embeddedPrompt(
  input: string | readonly number[],
  model: ServedModel,
  signal: AbortSignal,
): Promise<Int32Array<ArrayBuffer>> {
  const asked: GenerateRequest["prompt"] = typeof input === "string"
    ? { kind: "text", text: input }
    : { kind: "tokens", tokens: [...input] };
  await model.prepare(asked, signal);
  const prompt = model.encode(asked);
  if (prompt.length === 0) throw invalidPrompt("the input has no tokens; say something");
  checkTokens(prompt, model);
  const { context } = model.card;
  if (prompt.length <= context) return prompt;
  throw new OrreryError({
    group: "api",
    code: "context_exceeded",
    message: `this model's maximum context length is ${context} tokens, and the input has ` +
      `${prompt.length}: shorten it`,
    metadata: { param: "input", prompt_tokens: prompt.length, context },
  });
}

/** The field of a request that has its prompt. */
const fieldOf = ({ prompt }: GenerateRequest) => prompt.kind === "chat" ? "messages" : "prompt";

/** Throws group `api`, code `invalid_prompt`, for a token that the model does not have. */
function checkTokens(prompt: Int32Array, { card: { vocab } }: ServedModel): void {
  const unknown = prompt.find((token) => token < 0 || token >= vocab);
  if (unknown === undefined) return;
  const message = `token ${unknown} is outside the vocabulary of ${vocab}`;
  throw invalidPrompt(message, { token: unknown, vocab });
}

/**
 * How the answer ends. Where it is held to a grammar, an end token ends it even if it is to go on:
 * behind a complete sentence of the grammar nothing else may come.
 */
function endOf(
  { constraint, ignoreEos = false, prompt }: GenerateRequest,
  { model, refuses }: { model: ServedModel; refuses: boolean },
): Pick<Start, "eos" | "constrained" | "refuses" | "past_eos" | "vocab"> {
  const { eos, card } = model;
  if (!constraint && !refuses) {
    const infill = prompt.kind === "text" && prompt.suffix !== undefined;
    return { eos: ignoreEos ? [] : infill ? [...eos, ...model.infillEos] : eos };
  }
  // The grammar knows the model's own end tokens, and no others.
  const refusal = refuses ? { refuses } : {};
  return { eos, constrained: true, ...refusal, past_eos: ignoreEos, vocab: card.vocab };
}

function invalidPrompt(message: string, metadata = {}): OrreryError {
  return new OrreryError({ group: "api", code: "invalid_prompt", message, metadata });
}

/** The request's sampling over the model's defaults; a seed that is left out is drawn at random. */
function samplingOf({ sampling }: GenerateRequest, { defaults }: ServedModel): Start["sampling"] {
  const given = Object.fromEntries(Object.entries(sampling).filter(([, v]) => v !== undefined));
  return samplingSchema.parse({
    ...defaults.sampling,
    seed: crypto.getRandomValues(new Uint32Array(1))[0],
    ...given,
  });
}

/**
 * The request's mode, else the graph's. A request with points asks for an outline by that: it does
 * not get the graph's mode.
 */
function modeOf(
  { mode, points }: GenerateRequest,
  { shape }: Deployment,
): Pick<Start, "mode" | "mode_by"> {
  const stated = points === undefined ? shape.policy?.mode : undefined;
  if (mode === undefined && stated !== undefined) return { mode: stated, mode_by: "graph" };
  return { mode: mode ?? "auto", mode_by: "request" };
}

/** Rows of each prefill piece as the request asks for them; undefined: the plan decides. */
function piecesOf({ pieces, pieceRows }: GenerateRequest, rows: number): number[] | undefined {
  if (pieces !== undefined) {
    const n = Math.min(pieces, rows);
    return Array.from(
      { length: n },
      (_, i) => Math.floor(rows * (i + 1) / n) - Math.floor(rows * i / n),
    );
  }
  return pieceRows === undefined ? undefined : [pieceRows];
}

/** Token ids of the prediction. Throws `invalid_prompt` for ids that the model does not have. */
async function predictionTokens(
  prediction: string | number[],
  model: ServedModel,
  signal: AbortSignal,
): Promise<Int32Array<ArrayBuffer>> {
  if (typeof prediction === "string") return await model.encodeLong(prediction, signal);
  const { vocab } = model.card;
  const token = prediction.find((t) => t >= vocab);
  if (token === undefined) return Int32Array.from(prediction);
  const message = `token ${token} of the prediction is outside the vocabulary of ${vocab}`;
  throw invalidPrompt(message, { token, vocab });
}
