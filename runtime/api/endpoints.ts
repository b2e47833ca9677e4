/**
 * The endpoints whose requests have a JSON body, with the schemas of the bodies: what documentation
 * is made from.
 *
 * @module
 */
import type { z } from "zod";
import { countTokensSchema, messagesSchema } from "./anthropic/messages.ts";
import { ollamaChatSchema } from "./ollama/chat.ts";
import { ollamaEmbeddingsSchema, ollamaEmbedSchema } from "./ollama/embed.ts";
import { ollamaGenerateSchema } from "./ollama/generate.ts";
import { ollamaShowSchema } from "./ollama/models.ts";
import { ollamaPullSchema } from "./ollama/pull.ts";
import { chatSchema } from "./openai/chat.ts";
import { completionsSchema } from "./openai/completions.ts";
import { embeddingsSchema } from "./openai/embeddings.ts";
import { responsesSchema } from "./openai/responses/mod.ts";

/** An endpoint that takes a JSON body. */
export interface Endpoint {
  /** Path of its route; the method is POST. */
  path: string;
  /** Whose API it belongs to. */
  dialect: "OpenAI" | "Anthropic" | "Ollama";
  /** What it does, as the end of the sentence "it ...". */
  does: string;
  /** The body; each field has a description. */
  body: z.ZodType;
}

/** See the module's text. */
export const ENDPOINTS: readonly Endpoint[] = [
  {
    path: "/v1/chat/completions",
    dialect: "OpenAI",
    does: "answers a conversation",
    body: chatSchema,
  },
  {
    path: "/v1/completions",
    dialect: "OpenAI",
    does: "goes on with a text",
    body: completionsSchema,
  },
  {
    path: "/v1/responses",
    dialect: "OpenAI",
    does: "answers a conversation that the node may keep",
    body: responsesSchema,
  },
  {
    path: "/v1/embeddings",
    dialect: "OpenAI",
    does: "turns texts into vectors",
    body: embeddingsSchema,
  },
  {
    path: "/v1/messages",
    dialect: "Anthropic",
    does: "answers a conversation",
    body: messagesSchema,
  },
  {
    path: "/v1/messages/count_tokens",
    dialect: "Anthropic",
    does: "counts a prompt's tokens",
    body: countTokensSchema,
  },
  { path: "/api/chat", dialect: "Ollama", does: "answers a conversation", body: ollamaChatSchema },
  {
    path: "/api/generate",
    dialect: "Ollama",
    does: "answers one prompt",
    body: ollamaGenerateSchema,
  },
  { path: "/api/embed", dialect: "Ollama", does: "embeds texts", body: ollamaEmbedSchema },
  {
    path: "/api/embeddings",
    dialect: "Ollama",
    does: "embeds one text",
    body: ollamaEmbeddingsSchema,
  },
  { path: "/api/show", dialect: "Ollama", does: "tells of a model", body: ollamaShowSchema },
  {
    path: "/api/pull",
    dialect: "Ollama",
    does: "adds a model to the store",
    body: ollamaPullSchema,
  },
];
