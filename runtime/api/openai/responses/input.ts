/**
 * Input items of `POST /v1/responses`, and the conversation that they are.
 *
 * @module
 */
import { z } from "zod";
import { apiError } from "../../errors.ts";
import type { ApiMessage } from "../../generator.ts";
import { unsupported } from "../../parse_body.ts";

const textPart = z.discriminatedUnion("type", [
  z.object({ type: z.enum(["input_text", "output_text", "text"]), text: z.string() }),
  z.object({ type: z.literal("refusal"), refusal: z.string() }),
], unsupported);

const message = z.object({
  type: z.literal("message"),
  id: z.string().nullish(),
  role: z.enum(["user", "assistant", "system", "developer"]),
  content: z.union([z.string(), z.array(textPart)]),
});

const typedItem = z.discriminatedUnion("type", [
  message,
  z.object({
    type: z.literal("function_call"),
    id: z.string().nullish(),
    call_id: z.string().min(1),
    name: z.string().min(1),
    arguments: z.string(),
  }),
  z.object({
    type: z.literal("function_call_output"),
    id: z.string().nullish(),
    call_id: z.string().min(1),
    output: z.union([z.string(), z.array(textPart)]),
  }),
  z.object({
    type: z.literal("reasoning"),
    id: z.string().nullish(),
    summary: z.array(z.object({ text: z.string() })).nullish(),
    content: z.array(z.object({ text: z.string() })).nullish(),
  }),
  z.object({ type: z.literal("item_reference"), id: z.string() }),
], unsupported);

/** An item; a message may leave out its type. */
export const inputItem = z.preprocess(
  (item) =>
    typeof item === "object" && item !== null && !("type" in item) && "role" in item
      ? { type: "message", ...item }
      : item,
  typedItem,
);

/** A parsed item. */
export type InputItem = z.infer<typeof typedItem>;

const textOf = (content: string | z.infer<typeof textPart>[]): string =>
  typeof content === "string"
    ? content
    : content.map((part) => part.type === "refusal" ? part.refusal : part.text).join("\n");

/** What was thought: the text itself, else its summary. */
const thought = ({ content, summary }: InputItem & { type: "reasoning" }): string =>
  (content?.length ? content : summary ?? []).map(({ text }) => text).join("\n");

/**
 * The items with references resolved; `find` gives the stored item of an id. Throws group `api`,
 * code `invalid_value`, for a reference to nothing.
 */
export async function resolved(
  items: InputItem[],
  find: (id: string) => Promise<InputItem | undefined>,
): Promise<InputItem[]> {
  return await Promise.all(items.map(async (item, i) => {
    if (item.type !== "item_reference") return item;
    const found = await find(item.id);
    if (found) return found;
    const param = `input[${i}].id`;
    throw apiError(
      "invalid_value",
      `${param}: no item ${JSON.stringify(item.id.slice(0, 80))} of a response is stored here ` +
        "(any more): send the item itself",
      param,
    );
  }));
}

/**
 * The items as messages of a chat template: reasoning, text and calls that follow each other are one
 * message of the assistant.
 */
export function toConversation(items: InputItem[]): ApiMessage[] {
  const messages: ApiMessage[] = [];
  /** The assistant's message under way; undefined: another one speaks. */
  let own: ApiMessage | undefined;
  const assistant = (fits: (message: ApiMessage) => boolean) => {
    if (!own || !fits(own)) messages.push(own = { role: "assistant", content: "" });
    return own;
  };
  for (const item of items) {
    switch (item.type) {
      case "reasoning":
        if (thought(item) !== "") {
          assistant((m) => m.content === "" && !m.tool_calls).reasoning_content = thought(item);
        }
        break;
      case "function_call": {
        const { call_id: id, name, arguments: text } = item;
        (assistant(() => true).tool_calls ??= [])
          .push({ id, type: "function", function: { name, arguments: text } });
        break;
      }
      case "function_call_output":
        own = undefined;
        messages.push({ role: "tool", content: textOf(item.output), tool_call_id: item.call_id });
        break;
      case "message":
        if (item.role === "assistant") {
          assistant((m) => m.content === "" && !m.tool_calls).content = textOf(item.content);
        } else {
          own = undefined;
          const role = item.role === "developer" ? "system" : item.role;
          messages.push({ role, content: textOf(item.content) });
        }
    }
  }
  return messages;
}
