/**
 * The messages of Anthropic's API: blocks of text, reasoning, calls and their results.
 *
 * @module
 */
import { z } from "zod";
import type { ApiMessage } from "../generator.ts";
import { unsupported } from "../parse_body.ts";

const text = z.object({ type: z.literal("text"), text: z.string() });

const userBlock = z.discriminatedUnion("type", [
  text,
  z.object({
    type: z.literal("tool_result"),
    tool_use_id: z.string().min(1),
    content: z.union([z.string(), z.array(z.discriminatedUnion("type", [text], unsupported))])
      .nullish(),
    is_error: z.boolean().nullish(),
  }),
], unsupported);

const assistantBlock = z.discriminatedUnion("type", [
  text,
  z.object({ type: z.literal("thinking"), thinking: z.string() }),
  // What an assistant of another server thought, encrypted: nobody here can read it.
  z.object({ type: z.literal("redacted_thinking") }),
  z.object({
    type: z.literal("tool_use"),
    id: z.string().min(1),
    name: z.string().min(1),
    input: z.record(z.string(), z.unknown()),
  }),
], unsupported);

/** A message of the role `user` or `assistant`. */
export const anthropicMessage = z.discriminatedUnion("role", [
  z.object({ role: z.literal("user"), content: z.union([z.string(), z.array(userBlock)]) }),
  z.object({
    role: z.literal("assistant"),
    content: z.union([z.string(), z.array(assistantBlock)]),
  }),
], { error: 'expected "user" or "assistant"; a system prompt is the field `system`' });

type AnthropicMessage = z.infer<typeof anthropicMessage>;

/** `system`: one text, or blocks of it. */
export const systemPrompt = z.union([
  z.string(),
  z.array(z.discriminatedUnion("type", [text], unsupported)),
]).nullish();

/** The text of a string or of the text blocks of a list, joined with line breaks. */
const textOf = (content: string | { type: string; text?: string }[] | null | undefined): string =>
  typeof content === "string"
    ? content
    : (content ?? []).flatMap((block) => block.text ?? []).join("\n");

/**
 * The conversation as chat templates take it: the system prompt first, results of calls as messages
 * of the role `tool`.
 */
export function conversation(
  system: z.infer<typeof systemPrompt>,
  messages: AnthropicMessage[],
): ApiMessage[] {
  const prompt = textOf(system);
  return [
    ...(prompt === "" ? [] : [{ role: "system", content: prompt }]),
    ...messages.flatMap((message) =>
      message.role === "user" ? ofUser(message.content) : [ofAssistant(message.content)]
    ),
  ];
}

/** A user's message: results of calls first, then what the user says. */
function ofUser(content: (AnthropicMessage & { role: "user" })["content"]): ApiMessage[] {
  if (typeof content === "string") return [{ role: "user", content }];
  const results = content.flatMap((block): ApiMessage[] =>
    block.type === "tool_result"
      ? [{ role: "tool", content: textOf(block.content), tool_call_id: block.tool_use_id }]
      : []
  );
  const said = content.filter((block) => block.type === "text");
  return said.length > 0 || results.length === 0
    ? [...results, { role: "user", content: textOf(said) }]
    : results;
}

function ofAssistant(content: (AnthropicMessage & { role: "assistant" })["content"]): ApiMessage {
  if (typeof content === "string") return { role: "assistant", content };
  const thought = content.flatMap((block) => block.type === "thinking" ? block.thinking : []);
  const calls = content.flatMap((block) => block.type === "tool_use" ? [block] : []);
  return {
    role: "assistant",
    content: textOf(content.filter((block) => block.type === "text")),
    ...(calls.length > 0 && {
      tool_calls: calls.map(({ id, name, input }) => ({
        id,
        type: "function",
        function: { name, arguments: JSON.stringify(input) },
      })),
    }),
    ...(thought.length > 0 && { reasoning_content: thought.join("\n") }),
  };
}
