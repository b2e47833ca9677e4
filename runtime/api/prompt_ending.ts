/**
 * How the prompt of a conversation ends, from any dialect's fields.
 *
 * @module
 */
import { apiError } from "./errors.ts";
import type { ApiMessage, GenerateRequest } from "./generator.ts";

/** The part of a conversation's prompt that says how it ends. */
export type PromptEnding = Pick<GenerateRequest["prompt"] & { kind: "chat" }, "ending">;

/**
 * The ending of a conversation whose last message the answer goes on with. Throws group `api`, code
 * `invalid_value`, where the last message is no text of the assistant; `field` is the request's, which
 * errors name.
 */
export function continuing(messages: readonly ApiMessage[], field: string): PromptEnding {
  const last = messages.at(-1);
  const fault = last?.role !== "assistant"
    ? `its role is ${JSON.stringify(last?.role.slice(0, 40) ?? "none")}`
    : last.tool_calls
    ? "it calls functions"
    : last.content.trim() === ""
    ? "it has no text"
    : undefined;
  if (fault === undefined) return { ending: "continue" };
  throw apiError(
    "invalid_value",
    `${field}: only a text of the assistant can be gone on with, and of the last message ${fault}`,
    field,
  );
}

/**
 * Refuses a format of the answer for an answer whose begin is given: it would be held from the middle
 * on. Throws group `api`, code `invalid_value`; `begin` and `format` are the request's fields.
 */
export function refuseHeld(
  { ending }: PromptEnding,
  { constraint }: Pick<GenerateRequest, "constraint">,
  { begin, format }: { begin: string; format: string },
): void {
  if (ending !== "continue" || !constraint) return;
  throw apiError(
    "invalid_value",
    `${format}: not for an answer whose begin is given (${begin}): give one of them`,
    format,
  );
}
