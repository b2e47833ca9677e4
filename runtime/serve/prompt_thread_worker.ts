/**
 * The thread that encodes large prompts, see `prompt_thread.ts`. It may read the model's folder, and
 * nothing else.
 *
 * @module
 */
import { OrreryError, toOrreryError } from "../../actors/system/errors.ts";
import { ChatTemplate, Tokenizer } from "../../models/text/mod.ts";
import { type AnyPrompt, PromptEncoder } from "./prompt_encoder.ts";
import type { EncodedPrompt, FromPromptThread, ToPromptThread } from "./prompt_thread_protocol.ts";

/** The part of a worker's scope that the library's types do not have. */
const scope = globalThis as unknown as {
  postMessage(message: FromPromptThread, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent<ToPromptThread>) => void) | null;
};

let opened: { tokenizer: Tokenizer; encoder: PromptEncoder } | undefined;

async function valueOf(question: ToPromptThread): Promise<EncodedPrompt> {
  if (question.op === "open") {
    const { folder, name, context } = question;
    const tokenizer = await Tokenizer.load(folder);
    const template = await ChatTemplate.load(folder);
    opened = { tokenizer, encoder: new PromptEncoder({ tokenizer, template, name, context }) };
    tokenizer.fewestTokens(""); // looks at the vocabulary now, not when a prompt waits
    return { ids: new Int32Array(0), tail: "" };
  }
  if (!opened) throw new Error("the thread has no tokenizer");
  const { tokenizer, encoder } = opened;
  if (question.op === "text") {
    const ids = tokenizer.encode(question.text, { addSpecialTokens: false });
    return { ids: Int32Array.from(ids), tail: "" };
  }
  const prompt: AnyPrompt = typeof question.prompt === "string"
    ? JSON.parse(question.prompt)
    : question.prompt;
  encoder.checkLength(prompt);
  return {
    ids: encoder.encode(prompt),
    tail: prompt.kind === "chat" ? encoder.tail(prompt) : "",
  };
}

scope.onmessage = async ({ data }) => {
  const { id } = data;
  try {
    const value = await valueOf(data);
    scope.postMessage({ id, value }, [value.ids.buffer]);
  } catch (error) {
    // Nothing here is secret: the text is the tokenizer's or the template's own.
    const told = error instanceof OrreryError ? error : new OrreryError({
      group: "model",
      code: "encoder_failed",
      message: `the prompt could not be encoded: ${toOrreryError(error).message.slice(0, 300)}`,
    });
    scope.postMessage({ id, error: told.toWire() }, []);
  }
};
