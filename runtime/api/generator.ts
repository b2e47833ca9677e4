/**
 * What the REST API needs from the node: a {@linkcode Generator}, and the one internal request type
 * that every API dialect is translated into.
 *
 * @module
 */
import type {
  AnswerProgress,
  AnswerReport,
  AnswerState,
  FrameTrace,
  Mode,
  RequestRoute,
  Sampling,
  SpelledToken,
  TraceContext,
} from "../../actors/mod.ts";
import type { ConstraintSpec } from "../../models/grammar/constraint.ts";
import type { ToolCallDelta, ToolUse } from "../../models/tools/tool_use.ts";

export type { ToolCallDelta, ToolFunction, ToolUse } from "../../models/tools/tool_use.ts";

/** A chat message as the chat template takes it. */
export interface ApiMessage {
  /** Who speaks: `system`, `user`, `assistant` or `tool`. */
  role: string;
  /**
   * Text of the message; where the client sent several parts, they are joined. Empty where there is
   * none, as beside tool calls.
   */
  content: string;
  /** Calls that the assistant made; `arguments` is JSON text, as OpenAI has it. */
  tool_calls?: ApiToolCall[];
  /** The call that a `tool` message answers. */
  tool_call_id?: string;
  /** Reasoning that came before the assistant's text. */
  reasoning_content?: string;
  /** Further fields of the client's message, unchanged. */
  [extra: string]: unknown;
}

/** A call of a function within an assistant's message. */
export interface ApiToolCall {
  /** Names the call; the `tool` message that answers it repeats it. */
  id: string;
  /** The only kind there is. */
  type: "function";
  /** `arguments`: JSON text. */
  function: { name: string; arguments: string };
}

/** Request fields with a number that says how to sample, by OpenAI's names; without the seed. */
export const SAMPLING_FIELDS = [
  "temperature",
  "top_p",
  "top_k",
  "min_p",
  "repetition_penalty",
  "presence_penalty",
  "frequency_penalty",
] as const;

/** One request for text. */
export interface GenerateRequest {
  /** `default` or the served model's name. */
  model: string;
  /**
   * The prompt: a conversation for the chat template, plain text, or token ids that are used
   * unchanged.
   */
  prompt:
    | {
      kind: "chat";
      messages: ApiMessage[];
      /** Functions as the template writes them, in OpenAI's form (`{type: "function", function}`). */
      tools?: unknown[];
      /** Documents for templates that know them. */
      documents?: unknown[];
      /** Further variables of the template, such as `enable_thinking`. */
      templateVariables?: Record<string, unknown>;
      /**
       * How the prompt ends: with the begin of an answer, with the text of the last message, which
       * the answer goes on with, or where the messages end. @default "answer"
       */
      ending?: "answer" | "continue" | "none";
    }
    /** `suffix`: text behind the answer, for models that have infill tokens. */
    | { kind: "text"; text: string; suffix?: string }
    | { kind: "tokens"; tokens: number[] };
  /** How to sample; fields that are left out come from the model's generation_config. */
  sampling: Partial<Sampling>;
  /**
   * Largest number of tokens of the answer; 0 only with `promptLogprobs`: then there is no answer. Left out: the model's own default, or what the context
   * still has room for if that is less.
   */
  maxTokens?: number;
  /**
   * The log-probabilities of the prompt's tokens are wanted, with so many of the best tokens at each
   * place, 0 to 20: an event `prompt` tells them. No outline is possible. @default not wanted
   */
  promptLogprobs?: number;
  /** Texts at which the answer ends, at most 16; the text itself is not returned. */
  stop: string[];
  /** Generate past the end-of-text token, until `maxTokens` (for benchmarks). @default false */
  ignoreEos?: boolean;
  /**
   * Rows of earlier requests may stand for the prompt's, and its rows are kept for later ones, whose
   * prompts begin with the same tokens. @default true
   */
  reuse?: boolean;
  /** Rows in each prefill piece of the prompt. @default the plan decides */
  pieceRows?: number;
  /** Number of prefill pieces, all of about equal size; `pieceRows` is then ignored. */
  pieces?: number;
  /** How to generate the answer. @default "auto" */
  mode?: Mode;
  /** Which stages compute the answer: a whole model on one node, or the pipeline. @default "auto" */
  route?: RequestRoute;
  /**
   * Draft tokens: with mode `auto` the longest draft, with a speculative mode the length of every
   * draft; 0: no drafts. Left out: chosen from what was measured.
   */
  draftLength?: number;
  /**
   * Draft alternatives beside the drafter's first choice: false never, true always. Left out: where
   * they are likely enough to be accepted.
   */
  draftTree?: boolean;
  /**
   * Text or token ids that the answer is expected to repeat in large part: its tokens are verified
   * as drafts, which makes the answer faster and never changes it.
   */
  prediction?: string | number[];
  /**
   * Points of an outline, 1 to 30, written by the client: the model then generates no outline. The
   * prompt must be a conversation.
   */
  points?: string[];
  /** Largest number of outline branches that run at the same time. @default the plan decides */
  maxBranches?: number;
  /**
   * Send the text of all outline branches as it arrives, each delta with its branch, instead of one
   * text in order. @default false
   */
  liveBranches?: boolean;
  /** What the answer's text must be. @default any text */
  constraint?: ConstraintSpec;
  /** Field of the client's request that the constraint is from; errors have it as `param`. */
  constraintField?: string;
  /** The functions that the answer may call. @default none */
  tools?: ToolUse;
  /**
   * Of requests that wait for their turn, those with a larger number go first; -1, 0 or 1.
   * @default 0
   */
  priority?: number;
  /**
   * How far the answer has come in an earlier run of the same request: it goes on from there, and
   * tells what was not told. @default it begins
   */
  resumed?: AnswerState;
  /** Deltas say how far the answer has come. @default false */
  progress?: boolean;
  /** Context of the span that the generation is a part of. @default it is traced nowhere */
  trace?: TraceContext;
}

/** Why an answer ended: by itself or at a stop string, at its limit of tokens, or to call functions. */
export type FinishReason = "stop" | "length" | "tool_calls";

/** A token with its own text, for log-probability listings. */
export type GeneratedToken = SpelledToken;

/**
 * Events of a generation, in order: one `started`, any number of `delta`, `reasoning` and
 * `tool_call`, one `done`.
 */
export type GenerationEvent =
  | {
    type: "started";
    /** Key of the generation's actor. */
    id: string;
    promptTokens: number;
  }
  | {
    /** Only with `promptLogprobs`, once, before anything of the answer. */
    type: "prompt";
    /** The prompt's tokens in order; the first one has no log-probability. */
    tokens: GeneratedToken[];
  }
  | {
    type: "delta";
    text: string;
    tokens: GeneratedToken[];
    /** Outline branch that the text belongs to, from 0; undefined: the text is one, in order. */
    branch?: number;
    /** How far the answer has come, where the request asks for it; text and tokens may be empty. */
    progress?: AnswerProgress;
  }
  | {
    /** Text that the model thinks before it answers; no part of the answer's text. */
    type: "reasoning";
    text: string;
    tokens: GeneratedToken[];
  }
  | {
    /** A piece of a call; its text never comes as a `delta`. */
    type: "tool_call";
    call: ToolCallDelta;
  }
  | {
    type: "done";
    finishReason: FinishReason;
    /** The stop string that ended the answer, where one did. */
    stopText?: string;
    /** `cachedTokens`: those of the prompt that were kept from earlier requests; left out: none. */
    usage: { promptTokens: number; completionTokens: number; cachedTokens?: number };
    /** Milliseconds from request to first token, and mean milliseconds of each further token. */
    timings: { ttftMs: number; tpotMs: number };
    /** How the answer was made. */
    report: ServedReport;
  };

/** How an answer was made, and by what. */
export interface ServedReport extends AnswerReport {
  /** Address of its generation, by which `GET /api/trace` names it. @default nobody knows it */
  generation?: string;
}

/** A model that the node serves. */
export interface ModelCard {
  /** Name by which requests ask for the model. */
  name: string;
  /** When the model was stored, in Unix seconds. */
  created: number;
  /** Largest number of tokens of prompt and answer together. */
  context: number;
  /** Number of tokens in the vocabulary; token ids are below it. */
  vocab: number;
  /** How the weights are stored: `q4`, `q8`, `f16` or `f32`. */
  precision: string;
  /** How it writes calls of functions, such as `hermes` (docs/tools.md). */
  tools?: string;
  /** Family of the architecture, such as `llama`. @default not known */
  family?: string;
  /** Number of weights; an embedding that the head shares counts once. @default not known */
  parameters?: number;
  /** Stored bytes of all weights. @default not known */
  bytes?: number;
  /** SHA-256 of the stored model's manifest, hexadecimal. @default not known */
  digest?: string;
}

/** Options of {@linkcode Generator.embed}. */
export interface EmbedOptions {
  /** `default` or the served model's name. */
  model: string;
  /** Which hidden states make the vector. @default "mean" */
  pooling?: "mean" | "last";
}

/** What {@linkcode Generator.embed} gives. */
export interface Embeddings {
  /** A vector for each input, f32 (hidden). */
  vectors: Float32Array<ArrayBuffer>[];
  /** Number of tokens of each input. */
  tokens: number[];
}

/** What answers the API's requests: the node's gateway, or custom actors in front of it. */
export interface Generator {
  /**
   * Runs one request. Ending the iteration early, or aborting the signal, stops the generation
   * within a frame and frees its KV cache.
   *
   * Throws group `api` (all public): `model_not_found`, `context_exceeded` (metadata:
   * `prompt_tokens`, `context`), `busy` (the queue is full: HTTP 429; metadata: `active`, `queued`,
   * `limit`, `retry_after_s`), `not_ready` and `draining` (HTTP 503), `invalid_prompt`; and errors
   * of group `actor`, `engine`, `mailbox` where a stage fails during the generation (HTTP 502).
   */
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<GenerationEvent>;
  /**
   * Runs texts (or token ids, which are used unchanged) through the model and gives a vector for
   * each, f32 (hidden): of the hidden states after the final norm, their mean over all tokens or
   * the last token's. The vectors are not scaled. Throws as `generate` does, with `invalid_prompt`
   * for an input without tokens. Left out: it gives no embeddings.
   */
  embed?(
    inputs: readonly (string | readonly number[])[],
    options: EmbedOptions,
    signal: AbortSignal,
  ): Promise<Embeddings>;
  /** Models that can be asked for now; empty while nothing is served. */
  models(): ModelCard[];
  /** Whether a prompt would be taken now, as far as it is known; `reason` says why not. */
  readiness(): { ready: boolean; reason: string };
  /**
   * Whether a prompt would be answered now, which takes a look at every stage; `reason` says why
   * not. It resolves within seconds. @default what `readiness` says
   */
  check?(): Promise<{ ready: boolean; reason: string }>;
  /**
   * Number of tokens of a prompt. Throws as `generate` does: `model_not_found`, `not_ready`. @default
   * it cannot be told
   */
  countTokens?(
    request: Pick<GenerateRequest, "model" | "prompt">,
    signal?: AbortSignal,
  ): number | Promise<number>;
  /**
   * How many requests may run and wait together, how many more would be taken now, and the seconds
   * in which those that wait will have begun. @default there is no limit
   */
  limits?(): { most: number; left: number; resetS: number };
  /** Whether requests for this model are journalled. @default they are not */
  journals?(model: string): boolean;
  /** The last frames of this node's requests, oldest first; undefined: it keeps none. */
  traces?(): Promise<{ node: string; traces: FrameTrace[] }>;
}
