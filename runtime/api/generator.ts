/**
 * What the REST API needs from the node: the one internal task type that every API dialect adapts
 * to.
 *
 * @module
 */
import type { AnswerReport, FrameTrace, Mode, Sampling, SpelledToken } from "../../actors/mod.ts";

/** A chat message as the chat template takes it. */
export interface ChatMessage {
  /** Who speaks: `system`, `user` or `assistant`. */
  role: string;
  /** Text; parts of a message are joined already. */
  content: string;
  /** Further fields of the client's message, as they came. */
  [extra: string]: unknown;
}

/** Numbers of a request that say how to sample, as clients name them; the seed apart. */
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
   * What to go on from: a conversation for the chat template, plain text, or token ids taken as
   * they are.
   */
  prompt: { kind: "chat"; messages: ChatMessage[] } | { kind: "text"; text: string } | {
    kind: "tokens";
    tokens: number[];
  };
  /** Fields that are left out come from the model's generation_config. */
  sampling: Partial<Sampling>;
  /** Tokens at most; left out: what the context still holds, at most the model's own default. */
  maxTokens?: number;
  /** End at the first of these; the stop text itself is not returned. At most 16. */
  stop: string[];
  /** Go on past EOS until `maxTokens` (benchmarks). @default false */
  ignoreEos?: boolean;
  /** Prompt rows in one prefill piece; left out: the plan decides. */
  pieceRows?: number;
  /** Prompt pieces, of equal size; goes before `pieceRows`. */
  pieces?: number;
  /** How to answer. @default "auto" */
  mode?: Mode;
  /**
   * Longest draft of `auto`, or, where speculation is asked for, the drafts' length; 0: none. Left
   * out: as measurement says.
   */
  draftLength?: number;
  /**
   * Alternatives beside the drafter's choice: never, always. Left out: where they are likely
   * enough.
   */
  draftTree?: boolean;
  /** Text that the answer is expected to have much of; speeds it up, never changes it. */
  prediction?: string | number[];
  /** The points of an outline, 1 .. 30, which is then not generated; needs a conversation. */
  points?: string[];
  /** Outline branches at once; left out: the plan decides. */
  maxBranches?: number;
  /**
   * Deltas of all outline branches as they come, each with its branch, instead of one text in
   * order. @default false
   */
  liveBranches?: boolean;
}

/** A token with its own text, for log-probability listings. */
export type GeneratedToken = SpelledToken;

/** What a generation tells while it runs: one `started`, any number of `delta`, one `done`. */
export type GenerationEvent =
  | { type: "started"; id: string; promptTokens: number }
  | {
    type: "delta";
    text: string;
    tokens: GeneratedToken[];
    /** Outline branch that it belongs to, 0-based. */
    branch?: number;
  }
  | {
    type: "done";
    finishReason: "stop" | "length";
    usage: { promptTokens: number; completionTokens: number };
    /** Milliseconds from request to first token and, per further token, the mean. */
    timings: { ttftMs: number; tpotMs: number };
    /** How the answer was made. */
    report: AnswerReport;
  };

/** A model that the node serves. */
export interface ModelCard {
  /** What a request's `model` says. */
  name: string;
  /** Unix seconds. */
  created: number;
  /** Tokens of prompt and answer together, at most. */
  context: number;
  /** Tokens in the vocabulary; ids are below it. */
  vocab: number;
  /** How the weights are stored: `q4`, `q8`, `f16` or `f32`. */
  precision: string;
}

/**
 * The node behind the API.
 *
 * `generate` throws (group `api`, all public): `model_not_found`, `context_exceeded` (metadata:
 * `prompt_tokens`, `context`), `busy` (queue full: HTTP 429; metadata: `active`, `queued`, `limit`,
 * `retry_after_s`), `not_ready` and `draining` (HTTP 503), `invalid_prompt`; and errors of group
 * `actor`, `engine`, `mailbox` when a stage fails under way (HTTP 502 for the client). Ending the
 * iteration early or aborting the signal stops the generation within a frame and frees its KV.
 */
export interface Generator {
  /** Runs one request; see above for errors and for ending it. */
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<GenerationEvent>;
  /** What can be asked for now. */
  models(): ModelCard[];
  /** Can a prompt be answered now, and if not, why not. */
  readiness(): { ready: boolean; reason: string };
  /** The last frames of this node's requests, oldest first; left out: it keeps none. */
  traces?(): Promise<{ node: string; traces: FrameTrace[] }>;
}
