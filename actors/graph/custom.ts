/**
 * The contract between custom actors (written by users) and the system: addresses, and the messages
 * of the actors that stand before or behind the model.
 *
 * ```ts
 * export default defineActor({
 *   kind: "guard",
 *   config: z.object({ forbidden: z.array(z.string()) }),
 *   messages: { request: requestMessage },
 *   create: (_ctx, { forbidden }) => ({
 *     request: ({ messages = [] }): RequestVerdict =>
 *       messages.some(({ content }) => forbidden.some((word) => content.includes(word)))
 *         ? { allow: false, message: "that is not answered here", code: "forbidden_topic" }
 *         : { allow: true },
 *   }),
 * });
 * ```
 *
 * @module
 */
import { z } from "zod";
import { type Address, address } from "../system/mod.ts";
import { samplingSchema } from "../pipeline/mod.ts";

/** First part of the addresses of the actors that a graph file names, and of the model. */
export const GRAPH = "graph";

/** Address of the custom actor with this name. `key`: which of its instances. @default "main" */
export const customAddress = (name: string, key = "main"): Address => address(GRAPH, name, key);

/**
 * Address at which custom actors ask the model, with the message `generate`
 * ({@linkcode generateMessage}).
 */
export const MODEL: Address = address(GRAPH, "model", "main");

const chatMessage = z.object({ role: z.string().min(1).max(64), content: z.string() });

const range = samplingSchema.shape;
/** The sampling fields that a custom actor may see and change, with the names of the API. */
const sampling = z.object({
  temperature: range.temperature.unwrap(),
  top_p: range.top_p.unwrap(),
  top_k: range.top_k.unwrap(),
  min_p: range.min_p.unwrap(),
  repetition_penalty: range.repetition_penalty.unwrap(),
  presence_penalty: range.presence_penalty.unwrap(),
  frequency_penalty: range.frequency_penalty.unwrap(),
  seed: range.seed.unwrap(),
}).partial();

const request = {
  /** Name of the served model, or `default`. */
  model: z.string(),
  /** The conversation; undefined where there is a `prompt`. */
  messages: z.array(chatMessage).optional(),
  /** Plain text to continue; undefined where there are `messages`. */
  prompt: z.string().optional(),
  /** Sampling fields that the client set; the others come from the model. */
  sampling,
  /** Most tokens of the answer; undefined: not limited by the client. */
  max_tokens: z.number().int().positive().optional(),
  /** Texts that end the answer. */
  stop: z.array(z.string().min(1)).max(16),
};

/**
 * Message `request` to an actor between `api` and `generation`: one request of a client. The actor
 * answers with a {@linkcode RequestVerdict}.
 */
export const requestMessage = z.object(request);

/** See {@linkcode requestMessage}. */
export type RequestMessage = z.output<typeof requestMessage>;

/**
 * The answer to `request` of an actor before the model. The fields of `request` that it sets
 * replace those of the client's request.
 */
export const requestVerdict = z.discriminatedUnion("allow", [
  z.object({ allow: z.literal(true), request: z.object(request).partial().optional() }),
  z.object({
    allow: z.literal(false),
    /** Error message for the client's user. */
    message: z.string().min(1).max(2_000),
    /** Error code for the client's program. */
    code: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/).default("refused"),
    /**
     * Seconds after which the same request may pass: the client gets HTTP 429, code `busy` and
     * `Retry-After` instead of 400.
     */
    retry_after_s: z.number().positive().max(86_400).optional(),
  }),
]);

/** See {@linkcode requestVerdict}. */
export type RequestVerdict = z.input<typeof requestVerdict>;

/**
 * Message `delta` to an actor between `generation` and `api`: the next piece of an answer's text.
 * The actor answers with {@linkcode filteredText} and may hold text back. Its key is the request's
 * key, so its state belongs to one answer.
 */
export const deltaMessage = z.object({ text: z.string() });

/**
 * Message `end` to such an actor: the answer is over. The actor answers with the text that it held
 * back. An actor need not have this message.
 */
export const endMessage = z.object({});

/** The answer of an actor behind the model to `delta` and `end`. */
export const filteredText = z.object({ text: z.string() });

/** Message `generate` to {@linkcode MODEL}, which answers with a {@linkcode GeneratedText}. */
export const generateMessage = z.object({
  /** The conversation; undefined where there is a `prompt`. */
  messages: z.array(chatMessage).min(1).optional(),
  /** Plain text to continue; undefined where there are `messages`. */
  prompt: z.string().min(1).optional(),
  /** Sampling fields; the others come from the model. */
  sampling: sampling.default({}),
  /** Most tokens of the answer; undefined: up to the model's context. */
  max_tokens: z.number().int().positive().optional(),
  /** Texts that end the answer. */
  stop: z.array(z.string().min(1)).max(16).default([]),
}).refine((m) => (m.messages === undefined) !== (m.prompt === undefined), {
  error: "expected either messages or prompt",
});

/** A finished answer of the model. */
export interface GeneratedText {
  /** The answer's text. */
  text: string;
  /**
   * `stop`: the model ended it; `length`: it was cut off at `max_tokens` or the model's context.
   */
  finish_reason: "stop" | "length";
  /** Tokens of the prompt, chat template included. */
  prompt_tokens: number;
  /** Tokens of the answer. */
  completion_tokens: number;
}

/** What every node must know about a graph's custom actors; it travels with the deployment. */
export const flowSchema = z.object({
  /** Names of the actors that requests pass, in order; see `GraphPaths`. */
  request: z.array(z.string()).default([]),
  /** Names of the actors that the answer's text passes, in order; see `GraphPaths`. */
  delta: z.array(z.string()).default([]),
  /** Names of the actors that clients may ask. */
  exposed: z.array(z.string()).default([]),
  /** Names of all custom actors. */
  actors: z.array(z.string()).default([]),
});

/** See {@linkcode flowSchema}. */
export type Flow = z.output<typeof flowSchema>;
