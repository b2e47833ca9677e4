/**
 * The functions of a chat request.
 *
 * @module
 */
import { z } from "zod";
import type { GenerateRequest } from "../generator.ts";
import { unsupported } from "../parse_body.ts";
import { MOST_TOOLS, toolFunction, toolName, toolParameters, toolUse } from "../tool_use.ts";

const functionTool = z.object({
  type: z.literal("function", unsupported),
  function: z.object({
    name: toolName,
    description: z.string().nullish(),
    parameters: toolParameters,
    strict: z.boolean().nullish(),
  }),
});

/** Fields of chat requests about functions. */
export const toolFields = {
  tools: z.array(functionTool).max(MOST_TOOLS).nullish()
    .describe("functions that the answer may call"),
  tool_choice: z.union([
    z.enum(["none", "auto", "required"]),
    z.object({
      type: z.literal("function", unsupported),
      function: z.object({ name: z.string() }),
    }),
  ]).nullish().describe("`auto`, `none`, `required`, or one function by its name"),
  parallel_tool_calls: z.boolean().nullish().describe("several calls in one answer? Usually yes"),
};

const toolSchema = z.object(toolFields);

/** {@linkcode toolUse} of the fields of a chat request. */
export function chatToolUse(
  { tools, tool_choice, parallel_tool_calls }: z.infer<typeof toolSchema>,
): Pick<GenerateRequest, "tools"> {
  const choice = typeof tool_choice === "object" && tool_choice
    ? { name: tool_choice.function.name }
    : tool_choice ?? undefined;
  const functions = (tools ?? []).map((tool) => toolFunction(tool.function));
  return toolUse(functions, choice, parallel_tool_calls);
}
