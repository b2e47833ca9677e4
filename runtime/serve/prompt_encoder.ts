/**
 * From a prompt to token ids: the model's chat template and its tokenizer together. The same class
 * works in the node's own thread and in that of {@linkcode PromptThread}.
 *
 * @module
 */
import { OrreryError } from "../../actors/system/errors.ts";
import {
  type ChatMessage,
  type ChatTemplate,
  infillTokens,
  type MarkedPrompt,
  type Tokenizer,
} from "../../models/text/mod.ts"; // without the packages of the rest: a thread loads it too
import { ToolTemplate } from "../../models/tools/mod.ts";

/** Characters at the end of a prompt that show whether it has opened the model's thoughts. */
const TAIL = 200;

/** A conversation, as far as a template looks at it. */
export interface ChatPrompt {
  kind: "chat";
  messages: ChatMessage[];
  tools?: unknown[];
  documents?: unknown[];
  templateVariables?: Record<string, unknown>;
  ending?: "answer" | "continue" | "none";
}

/** A prompt of any kind; see `GenerateRequest.prompt`. */
export type AnyPrompt =
  | ChatPrompt
  | { kind: "text"; text: string; suffix?: string }
  | { kind: "tokens"; tokens: number[] };

/** What {@linkcode PromptEncoder} works with. */
export interface PromptEncoderParts {
  tokenizer: Tokenizer;
  template: ChatTemplate;
  /** Name of the model, for messages. */
  name: string;
  /** Largest number of tokens of prompt and answer together. */
  context: number;
}

/** See the module's text. */
export class PromptEncoder {
  readonly #parts: PromptEncoderParts;
  readonly #tools: ToolTemplate;
  /** Rendered conversations: they are looked at twice. */
  readonly #rendered = new WeakMap<object, MarkedPrompt>();

  constructor(parts: PromptEncoderParts, tools: ToolTemplate = new ToolTemplate(parts.template)) {
    this.#parts = parts;
    this.#tools = tools;
  }

  /**
   * Token ids of a prompt. Throws group `model`, code `chat_template_failed`; group `api`, code
   * `unsupported_parameter` for a suffix that the model cannot read.
   */
  encode(prompt: AnyPrompt): Int32Array<ArrayBuffer> {
    switch (prompt.kind) {
      case "tokens":
        return Int32Array.from(prompt.tokens);
      case "text":
        return Int32Array.from(
          prompt.suffix === undefined
            ? this.#parts.tokenizer.encode(prompt.text)
            : this.#encodeInfill(prompt.text, prompt.suffix),
        );
      case "chat":
        return this.encodeMarked(this.render(prompt));
    }
  }

  /**
   * Throws group `api`, code `context_exceeded`, for a prompt that has more tokens than the context,
   * where that shows without encoding all of it; and what {@linkcode encode} throws.
   */
  checkLength(prompt: AnyPrompt): void {
    const { tokenizer, context } = this.#parts;
    if (prompt.kind === "tokens") return;
    const text = prompt.kind === "chat"
      ? this.render(prompt).text
      : prompt.text + (prompt.suffix ?? "");
    if (!tokenizer.exceeds(text, context)) return;
    throw contextExceeded({
      context,
      least: Math.max(context + 1, tokenizer.fewestTokens(text)),
      param: prompt.kind === "chat" ? "messages" : "prompt",
    });
  }

  /**
   * Token ids of what a template has written, special tokens included: the tokenizer would add a
   * second BOS.
   */
  encodeMarked(prompt: MarkedPrompt): Int32Array<ArrayBuffer> {
    const { tokenizer, template } = this.#parts;
    return Int32Array.from(tokenizer.encodeMarked(prompt, { template: template.source }));
  }

  /** What the template wrote at the end of a conversation. Throws as {@linkcode encode}. */
  tail(prompt: ChatPrompt): string {
    const { text, marks } = this.render(prompt);
    return text.slice(-TAIL).slice(marks.slice(-TAIL).lastIndexOf("1") + 1);
  }

  /** A conversation as the template writes it. Throws as {@linkcode encode}. */
  render(prompt: ChatPrompt): MarkedPrompt {
    const known = this.#rendered.get(prompt);
    if (known) return known;
    const { documents, templateVariables: variables, ending } = prompt;
    const { messages, tools } = this.#tools.input(prompt.messages, prompt.tools);
    const rendered = this.#parts.template.renderMarked(messages, {
      tools,
      documents,
      variables,
      continueFinalMessage: ending === "continue",
      addGenerationPrompt: ending !== "none",
    });
    this.#rendered.set(prompt, rendered);
    return rendered;
  }

  #encodeInfill(text: string, suffix: string): number[] {
    const tokens = infillTokens(this.#parts.tokenizer, text, suffix);
    if (tokens) return tokens;
    throw new OrreryError({
      group: "api",
      code: "unsupported_parameter",
      message: `suffix: model ${this.#parts.name} has no infill tokens: leave it out`,
      metadata: { param: "suffix" },
    });
  }
}

/** What {@linkcode contextExceeded} tells. */
export interface ExceededContext {
  /** Largest number of tokens of prompt and answer together. */
  context: number;
  /** Tokens of the prompt, at least. */
  least: number;
  /** The request's field with the prompt. */
  param: string;
}

/** The error for a prompt that does not fit, whose tokens were not counted to the last. */
export function contextExceeded({ context, least, param }: ExceededContext): OrreryError {
  // Clients look for "maximum context length" in the text.
  return new OrreryError({
    group: "api",
    code: "context_exceeded",
    message: `this model's maximum context length is ${context} tokens, and the prompt has at ` +
      `least ${least}: shorten it to ${context - 1} or less, so that there is room for an answer`,
    metadata: { param, prompt_tokens: least, context },
  });
}
