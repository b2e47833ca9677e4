/**
 * Functions that an answer may call, from any dialect's fields.
 *
 * @module
 */
import { z } from "zod";
import { apiError } from "./errors.ts";
import type { GenerateRequest, ToolFunction, ToolUse } from "./generator.ts";

/** Largest number of functions in one request. */
export const MOST_TOOLS = 128;

/** What a function may be called. */
export const toolName = z.string().regex(
  /^[\w.-]{1,128}$/,
  "expected at most 128 letters, digits, underscores, dots and hyphens",
);

/** JSON schema of a function's arguments. */
export const toolParameters = z.record(z.string(), z.unknown()).nullish();

/** The choice of a request, as the generator takes it. */
export type WantedChoice = ToolUse["choice"] | undefined;

/**
 * What a request with these functions asks of the generator. Without functions, or with the choice
 * `none`, that is nothing: the model is then not told of them. Throws group `api`, code
 * `invalid_value`, for a choice that needs functions which are not there, or for equal names.
 */
export function toolUse(
  functions: ToolFunction[],
  choice: WantedChoice,
  parallel: boolean | null | undefined,
): Pick<GenerateRequest, "tools"> {
  const named = typeof choice === "object" ? choice.name : undefined;
  if (named !== undefined && !functions.some(({ name }) => name === named)) {
    throw apiError(
      "invalid_value",
      `tool_choice: no function of tools is called ${JSON.stringify(named.slice(0, 80))}`,
      "tool_choice",
    );
  }
  if (choice === "required" && functions.length === 0) {
    throw apiError("invalid_value", "tool_choice: required, but there are no tools", "tool_choice");
  }
  const twice = functions.find(({ name }, i) => functions.some((f, k) => k < i && f.name === name));
  if (twice) {
    throw apiError("invalid_value", `tools: two functions are called ${twice.name}`, "tools");
  }
  if (functions.length === 0 || choice === "none") return {};
  return { tools: { functions, choice: choice ?? "auto", parallel: parallel ?? true } };
}

/** The functions in the form in which chat templates write them. */
export const templateTools = ({ functions }: ToolUse): unknown[] =>
  functions.map(({ name, description, parameters }) => ({
    type: "function",
    function: {
      name,
      ...(description !== undefined && { description }),
      parameters: parameters ?? { type: "object", properties: {} },
    },
  }));

/** A function without the fields that its client left out or said null for. */
export function toolFunction(
  { name, description, parameters, strict }: {
    name: string;
    description?: string | null;
    parameters?: Record<string, unknown> | null;
    strict?: boolean | null;
  },
): ToolFunction {
  return {
    name,
    ...(description && { description }),
    ...(parameters && { parameters }),
    ...(strict && { strict }),
  };
}
