/**
 * `response_format`: what the answer's text must be.
 *
 * @module
 */
import { z } from "zod";
import type { GenerateRequest } from "../generator.ts";

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

/** A format as the generator takes it; `schema`: of JSON answers, undefined for any object. */
export function constraintOf(
  format: { type: "text" | "json_object" | "json_schema"; schema?: unknown } | null | undefined,
): Pick<GenerateRequest, "constraint"> {
  if (!format || format.type === "text") return {};
  const { schema } = format;
  return {
    constraint: format.type === "json_schema" && schema !== undefined && schema !== null
      ? { kind: "json_schema", schema }
      : { kind: "json" },
  };
}
