/**
 * The messages of `POST /api/chat`.
 *
 * @module
 */
import { z } from "zod";
import type { ApiMessage } from "../generator.ts";
import { unsupported } from "../parse_body.ts";

const images = z.array(z.unknown()).max(0, unsupported).nullish();

/** A message. */
export const ollamaMessage = z.discriminatedUnion("role", [
  z.object({ role: z.enum(["system", "user"]), content: z.string(), images }),
  z.object({
    role: z.literal("assistant"),
    content: z.string().nullish(),
    images,
    thinking: z.string().nullish(),
    tool_calls: z.array(z.object({
      id: z.string().nullish(),
      function: z.object({
        name: z.string().min(1),
        arguments: z.record(z.string(), z.unknown()).nullish(),
      }),
    })).nullish(),
  }),
  z.object({
    role: z.literal("tool"),
    content: z.string(),
    tool_name: z.string().nullish(),
    tool_call_id: z.string().nullish(),
  }),
], { error: 'expected "system", "user", "assistant" or "tool"' });

/**
 * The messages as chat templates take them. Ollama's calls may have no ids: those get some, and
 * `tool` messages without one answer the calls in their order.
 */
export function toMessages(messages: z.infer<typeof ollamaMessage>[]): ApiMessage[] {
  let calls = 0;
  const open: string[] = [];
  return messages.map((message): ApiMessage => {
    if (message.role === "tool") {
      const next = open.shift();
      return {
        role: "tool",
        content: message.content,
        tool_call_id: message.tool_call_id ?? next ?? "call_0",
        ...(message.tool_name && { name: message.tool_name }),
      };
    }
    if (message.role !== "assistant") return { role: message.role, content: message.content };
    const { content, thinking, tool_calls } = message;
    const made = (tool_calls ?? []).map(({ id, function: called }) => ({
      id: id ?? `call_${calls++}`,
      type: "function" as const,
      function: { name: called.name, arguments: JSON.stringify(called.arguments ?? {}) },
    }));
    open.push(...made.map(({ id }) => id));
    return {
      role: "assistant",
      content: content ?? "",
      ...(made.length > 0 && { tool_calls: made }),
      ...(thinking && { reasoning_content: thinking }),
    };
  });
}
