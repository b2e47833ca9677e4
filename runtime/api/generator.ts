/**
 * What the REST API needs from the node: the one internal task type that every API dialect adapts to.
 *
 * @module
 */
import type { Sampling, TokenResult } from "../../actors/mod.ts";

/** A chat message as the chat template takes it. */
export interface ChatMessage {
  /** Who speaks: `system`, `user` or `assistant`. */
  role: string;
  /** Text; parts of a message are joined already. */
  content: string;
  /** Further fields of the client's message, as they came. */
  [extra: string]: unknown;
}

/** One request for text. */
export interface GenerateRequest {
  /** `default` or the served model's name. */
  model: string;
  /** What to go on from: a conversation for the chat template, plain text, or token ids taken as they are. */
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
  /** Prompt rows in one prefill piece; left out: the runtime decides. */
  pieceRows?: number;
}

/** A token with the text that became certain with it (may be empty: half a UTF-8 character, a possible stop string). */
export interface GeneratedToken extends TokenResult {
  /** The token's own text, for log-probability listings. */
  text: string;
  /** Text of each entry of `top`, in its order; present when `top` is. */
  topText?: string[];
}

/** What a generation tells while it runs: one `started`, any number of `delta`, one `done`. */
export type GenerationEvent =
  | { type: "started"; id: string; promptTokens: number }
  | { type: "delta"; text: string; tokens: GeneratedToken[] }
  | {
    type: "done";
    finishReason: "stop" | "length";
    usage: { promptTokens: number; completionTokens: number };
    /** Milliseconds from request to first token and, per further token, the mean. */
    timings: { ttftMs: number; tpotMs: number };
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
 * `generate` throws (group `api`, all public): `model_not_found`, `context_exceeded` (metadata: `prompt_tokens`, `context`),
 * `busy` (queue full: HTTP 429; metadata: `active`, `queued`, `limit`, `retry_after_s`), `not_ready` and `draining` (HTTP 503), `invalid_prompt`;
 * and errors of group `actor`, `engine`, `mailbox` when a stage fails under way (HTTP 502 for the client). Ending the iteration
 * early or aborting the signal stops the generation within a frame and frees its KV.
 */
export interface Generator {
  /** Runs one request; see above for errors and for ending it. */
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<GenerationEvent>;
  /** What can be asked for now. */
  models(): ModelCard[];
  /** Can a prompt be answered now, and if not, why not. */
  readiness(): { ready: boolean; reason: string };
}
