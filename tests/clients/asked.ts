/**
 * What the checks of all clients ask for: a conversation, a schema, a tool. The embedded model knows
 * little, so that its JSON is right by form alone; the schemas leave it little choice.
 *
 * @module
 */
import assert from "node:assert/strict";
import { z } from "zod";

/** A question that the embedded model knows. */
export const QUESTION = "Why does it rain?";

/** The object that structured answers must be. */
export const weatherSchema = z.strictObject({
  weather: z.enum(["sunny", "rainy"]),
  sure: z.boolean(),
});

/** {@linkcode weatherSchema} as JSON schema. */
export const weatherJsonSchema = {
  type: "object" as const,
  properties: {
    weather: { type: "string" as const, enum: ["sunny", "rainy"] },
    sure: { type: "boolean" as const },
  },
  required: ["weather", "sure"],
  additionalProperties: false,
};

/** Name of the tool. */
export const TOOL = "get_weather";
/** What the tool does. */
export const TOOL_TEXT = "Tells the weather in a city";

/** The tool's arguments. */
export const citySchema = z.strictObject({ city: z.enum(["Rome", "Oslo"]) });

/** {@linkcode citySchema} as JSON schema. */
export const cityJsonSchema = {
  type: "object" as const,
  properties: { city: { type: "string" as const, enum: ["Rome", "Oslo"] } },
  required: ["city"],
  additionalProperties: false,
};

/** Checks that a text is the JSON that {@linkcode weatherSchema} asks for. */
export function checkWeather(value: unknown): void {
  weatherSchema.parse(typeof value === "string" ? JSON.parse(value) : value);
}

/** Checks the arguments of a call of the tool. */
export function checkCall(name: unknown, args: unknown): void {
  assert.equal(name, TOOL);
  citySchema.parse(typeof args === "string" ? JSON.parse(args) : args);
}

/** Checks that there is text, and that no markup of a tool call leaked into it. */
export function checkText(text: unknown): asserts text is string {
  assert.equal(typeof text, "string");
  assert.ok((text as string).length > 0, "there is text");
  assert.doesNotMatch(text as string, /<\|?tool_call|\[TOOL_CALLS\]|<function=/);
}
