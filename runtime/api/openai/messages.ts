/**
 * The messages of a conversation in OpenAI's chat API.
 *
 * @module
 */
import { z } from "zod";
import type { ApiMessage } from "../generator.ts";
import { unsupported } from "../parse_body.ts";

const textPart = z.object({ type: z.literal("text", unsupported), text: z.string() });

/** Parts of an assistant's message: what it refused is text too. */
const assistantPart = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text"), text: z.string() }),
  z.object({ type: z.literal("refusal"), refusal: z.string() }),
], unsupported);

const content = z.union([z.string(), z.array(textPart)]);

const toolCall = z.object({
  id: z.string(),
  type: z.literal("function", unsupported).default("function"),
  function: z.object({ name: z.string().min(1), arguments: z.string() }),
});

/** A message of the role `system`, `developer`, `user`, `assistant` or `tool`. */
export const messageSchema = z.discriminatedUnion("role", [
  z.object({ role: z.enum(["system", "developer", "user"]), content, name: z.string().nullish() }),
  z.object({
    role: z.literal("assistant"),
    content: z.union([z.string(), z.array(assistantPart)]).nullish(),
    name: z.string().nullish(),
    tool_calls: z.array(toolCall).nullish(),
    reasoning_content: z.string().nullish(),
    function_call: z.null(unsupported).optional(),
    audio: z.null(unsupported).optional(),
  }),
  z.object({ role: z.literal("tool"), content, tool_call_id: z.string().min(1) }),
], {
  error: ({ input }) =>
    (input as { role?: unknown } | undefined)?.role === "function"
      ? unsupported.error
      : 'expected "system", "developer", "user", "assistant" or "tool"',
});

/** The text of a message; parts are joined with line breaks. */
const textOf = (content: string | ({ text: string } | { refusal: string })[] | null | undefined) =>
  typeof content === "string"
    ? content
    : (content ?? []).map((part) => "text" in part ? part.text : part.refusal).join("\n");

/** The message as a chat template takes it: the role `developer` becomes `system`. */
export function toMessage(message: z.infer<typeof messageSchema>): ApiMessage {
  const content = textOf(message.content);
  if (message.role === "tool") {
    return { role: "tool", content, tool_call_id: message.tool_call_id };
  }
  const name = message.name ? { name: message.name } : {};
  if (message.role !== "assistant") {
    return { role: message.role === "developer" ? "system" : message.role, content, ...name };
  }
  const { tool_calls, reasoning_content } = message;
  return {
    role: "assistant",
    content,
    ...name,
    ...(tool_calls && tool_calls.length > 0 && { tool_calls }),
    ...(reasoning_content && { reasoning_content }),
  };
}
