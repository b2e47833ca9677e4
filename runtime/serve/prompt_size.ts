/**
 * Which prompts are encoded in a thread of their own, and which are so short that the way there
 * would take longer.
 *
 * @module
 */
import type { AnyPrompt } from "./prompt_encoder.ts";

/**
 * Characters from which on a prompt is encoded in a thread of its own. Measured on a server core:
 * 4,096 characters take 4 ms with Qwen2.5's tokenizer and 20 ms with Llama 2's, the way to the
 * thread and back 0.3 ms.
 */
export const LARGE_CHARS = 4_096;

/**
 * Characters up to which a question may be answered by outline: its prompts are encoded in the
 * node's own thread.
 */
export const OUTLINE_CHARS = 16_384;

/** What a value of a conversation counts besides its characters: a template looks at each. */
const VALUE_CHARS = 4;

/** Whether a prompt has at least `most` characters. Looks at no more than it takes to know. */
export function isAtLeast(prompt: AnyPrompt, most: number): boolean {
  switch (prompt.kind) {
    case "tokens":
      return false; // nothing is left to encode
    case "text":
      return prompt.text.length + (prompt.suffix?.length ?? 0) >= most;
    case "chat": {
      const { messages, tools, documents, templateVariables } = prompt;
      return charsOf([messages, tools, documents, templateVariables], most) >= most;
    }
  }
}

/** Characters of all texts within a value, keys among them; ends beyond `most`. */
function charsOf(value: unknown, most: number): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return VALUE_CHARS;
  let sum = VALUE_CHARS;
  for (const [key, inner] of Object.entries(value)) {
    sum += key.length + charsOf(inner, most - sum);
    if (sum >= most) break;
  }
  return sum;
}
