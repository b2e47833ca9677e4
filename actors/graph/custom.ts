/**
 * What actors written by users agree on with the system: addresses, and the messages of those that
 * stand before or behind the model.
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

/** First part of the addresses of the actors that a graph names, and of the model's. */
export const GRAPH = "graph";

/** Address of a custom actor. @default key "main" */
export const customAddress = (name: string, key = "main"): Address => address(GRAPH, name, key);

/** Address at which actors ask the model: message `generate`, see {@linkcode generateMessage}. */
export const MODEL: Address = address(GRAPH, "model", "main");

const chatMessage = z.object({ role: z.string().min(1).max(64), content: z.string() });

/** Sampling that a custom actor may see and change; fields as in the API. */
const range = samplingSchema.shape;
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
  /** `default` or the served model's name. */
  model: z.string(),
  /** A conversation; or `prompt`. */
  messages: z.array(chatMessage).optional(),
  /** Plain text to go on from; or `messages`. */
  prompt: z.string().optional(),
  /** What the client asked for; the rest comes from the model. */
  sampling,
  max_tokens: z.number().int().positive().optional(),
  stop: z.array(z.string().min(1)).max(16),
};

/**
 * Message `request` to an actor between `api` and `generation`: one request of a client. It answers
 * a {@linkcode RequestVerdict}.
 */
export const requestMessage = z.object(request);

/** See {@linkcode requestMessage}. */
export type RequestMessage = z.output<typeof requestMessage>;

/**
 * What an actor before the model answers to `request`; fields of `request` that are given replace
 * those of the client's.
 */
export const requestVerdict = z.discriminatedUnion("allow", [
  z.object({ allow: z.literal(true), request: z.object(request).partial().optional() }),
  z.object({
    allow: z.literal(false),
    /** The client reads it. */
    message: z.string().min(1).max(2_000),
    /** The client's programs read it. */
    code: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/).default("refused"),
  }),
]);

/** See {@linkcode requestVerdict}. */
export type RequestVerdict = z.input<typeof requestVerdict>;

/**
 * Message `delta` to an actor between `generation` and `api`: the next piece of an answer's text.
 * It answers {@linkcode filteredText} and may hold text back. Its key is the request's, so its
 * state is that of one answer.
 */
export const deltaMessage = z.object({ text: z.string() });

/**
 * Message `end` to such an actor: the answer is over, what was held back goes out now. May be left
 * out.
 */
export const endMessage = z.object({});

/** What an actor behind the model answers to `delta` and `end`. */
export const filteredText = z.object({ text: z.string() });

/** Message `generate` to {@linkcode MODEL}. It answers a {@linkcode GeneratedText}. */
export const generateMessage = z.object({
  /** A conversation; or `prompt`. */
  messages: z.array(chatMessage).min(1).optional(),
  /** Plain text to go on from; or `messages`. */
  prompt: z.string().min(1).optional(),
  sampling: sampling.default({}),
  max_tokens: z.number().int().positive().optional(),
  stop: z.array(z.string().min(1)).max(16).default([]),
}).refine((m) => (m.messages === undefined) !== (m.prompt === undefined), {
  error: "expected either messages or prompt",
});

/** The whole answer of the model. */
export interface GeneratedText {
  /** All of it. */
  text: string;
  /** `stop`: it came to an end; `length`: it was cut off. */
  finish_reason: "stop" | "length";
  /** Tokens of the question, chat template included. */
  prompt_tokens: number;
  /** Tokens of the answer. */
  completion_tokens: number;
}

/** What every node must know of a graph's custom actors: it travels with the deployment. */
export const flowSchema = z.object({
  /** See `GraphPaths`. */
  request: z.array(z.string()).default([]),
  /** See `GraphPaths`. */
  delta: z.array(z.string()).default([]),
  /** Those that clients may ask. */
  exposed: z.array(z.string()).default([]),
});

/** See {@linkcode flowSchema}. */
export type Flow = z.output<typeof flowSchema>;
