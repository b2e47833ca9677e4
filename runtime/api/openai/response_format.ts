/**
 * `response_format`: what the answer's text must be.
 *
 * @module
 */
import { z } from "zod";

/** A JSON schema. */
export const jsonSchema = z.record(z.string(), z.unknown());

/** What a schema is called; it has no effect. */
export const formatName = z.string().max(64).nullish();

/** `response_format` of chat requests. */
export const responseFormat = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text") }),
  z.object({ type: z.literal("json_object") }),
  z.object({
    type: z.literal("json_schema"),
    json_schema: z.object({
      name: formatName,
      description: z.string().nullish(),
      schema: jsonSchema.nullish(),
      strict: z.boolean().nullish(),
    }),
  }),
], { error: 'expected an object whose type is "text", "json_object" or "json_schema"' }).nullish()
  .describe("what the answer is: any `text`, a `json_object`, or JSON of a `json_schema`");
