/**
 * Responses of `POST /v1/messages`.
 *
 * @module
 */
import type { AnswerPart, AnswerTotals, ChoiceEvent, StreamWriter, Wording } from "../dialect.ts";
import type { HttpError } from "../errors.ts";
import type { GenerationEvent } from "../generator.ts";
import type { AnswerNames } from "../answer_names.ts";
import { SSE_TYPE, sseEvent } from "../sse.ts";
import { anthropicError } from "./errors.ts";

/** Words the answer to one request. */
export const messageWording = (): Wording => ({
  streamType: SSE_TYPE,
  whole: ({ model, parts: [part], totals, names }) => ({
    ...emptyMessage(model, names),
    content: blocksOf(part),
    ...endOf(part),
    usage: usageOf(totals),
    orrery: totals.report,
  }),
  stream: (model, names) => new MessageWriter(model, names),
});

/** A message without content, as a stream begins with it. */
const emptyMessage = (model: string, names: AnswerNames) => ({
  id: names.id("msg_"),
  type: "message",
  role: "assistant",
  model,
  content: [] as unknown[],
  stop_reason: null,
  stop_sequence: null,
});

/** Cached tokens are those that a request asked to be cached, with `cache_control`: none here. */
const usageOf = ({ promptTokens, completionTokens }: AnswerTotals) => ({
  input_tokens: promptTokens,
  output_tokens: completionTokens,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
});

/** Why the answer ended. */
function endOf({ finishReason, stopText }: Pick<AnswerPart, "finishReason" | "stopText">) {
  const stop_reason = finishReason === "length"
    ? "max_tokens"
    : finishReason === "tool_calls"
    ? "tool_use"
    : stopText === undefined
    ? "end_turn"
    : "stop_sequence";
  return { stop_reason, stop_sequence: stop_reason === "stop_sequence" ? stopText : null };
}

/** The blocks of a whole answer; one without anything has an empty text. */
function blocksOf({ text, reasoning, calls }: AnswerPart): unknown[] {
  const blocks = [
    ...(reasoning === "" ? [] : [{ type: "thinking", thinking: reasoning, signature: "" }]),
    ...(text === "" && calls.length > 0 ? [] : [{ type: "text", text }]),
    ...calls.map((call) => ({
      type: "tool_use",
      id: call.id,
      name: call.function.name,
      input: inputOf(call.function.arguments),
    })),
  ];
  return blocks;
}

/** The arguments of a call; text that is no JSON, of an answer that was cut, is given as it is. */
function inputOf(text: string): unknown {
  try {
    return text === "" ? {} : JSON.parse(text);
  } catch {
    return { unparsed: text };
  }
}

/** What a block of a stream is, and where it belongs: the number of a call, for calls. */
type BlockKind = "text" | "thinking" | `tool ${number}`;

/** Words a stream: a message, its blocks one after the other, and why it ended. */
class MessageWriter implements StreamWriter {
  readonly #model: string;
  readonly #names: AnswerNames;
  /** The block under way; undefined: none. */
  #block?: BlockKind;
  /** Number of the block under way, or of the next one. */
  #index = 0;
  #end: Pick<AnswerPart, "finishReason" | "stopText"> = { finishReason: "stop" };

  constructor(model: string, names: AnswerNames) {
    this.#model = model;
    this.#names = names;
  }

  event({ event }: ChoiceEvent): string {
    switch (event.type) {
      case "started": {
        const usage = usageOf(
          { promptTokens: event.promptTokens, completionTokens: 0 } as AnswerTotals,
        );
        const message = { ...emptyMessage(this.#model, this.#names), usage };
        return named({ type: "message_start", message }) + named({ type: "ping" });
      }
      case "done":
        this.#end = event;
        return this.#index === 0 && !this.#block
          ? this.#open("text", { type: "text", text: "" }) + this.#close()
          : this.#close();
      case "prompt":
        return "";
      default:
        return this.#delta(event);
    }
  }

  quiet(): string {
    return named({ type: "ping" });
  }

  end(totals: AnswerTotals): string {
    return named({
      type: "message_delta",
      delta: endOf(this.#end),
      usage: usageOf(totals),
      orrery: totals.report,
    }) + named({ type: "message_stop" });
  }

  fail(error: HttpError): string {
    return named(anthropicError(error));
  }

  #delta(event: GenerationEvent & { type: "delta" | "reasoning" | "tool_call" }): string {
    if (event.type === "tool_call") {
      const { index, id, name, arguments: more = "" } = event.call;
      const kind: BlockKind = `tool ${index}`;
      const opened = name === undefined
        ? ""
        : this.#open(kind, { type: "tool_use", id, name, input: {} });
      return opened + this.#piece(more, { type: "input_json_delta", partial_json: more });
    }
    const { text } = event;
    if (text === "") return "";
    return event.type === "delta"
      ? this.#open("text", { type: "text", text: "" }) +
        this.#piece(text, { type: "text_delta", text })
      : this.#open("thinking", { type: "thinking", thinking: "", signature: "" }) +
        this.#piece(text, { type: "thinking_delta", thinking: text });
  }

  /** Begins a block, unless it is under way. */
  #open(kind: BlockKind, content_block: unknown): string {
    if (this.#block === kind) return "";
    const closed = this.#close();
    this.#block = kind;
    return closed + named({ type: "content_block_start", index: this.#index, content_block });
  }

  #close(): string {
    if (!this.#block) return "";
    this.#block = undefined;
    return named({ type: "content_block_stop", index: this.#index++ });
  }

  #piece(text: string, delta: unknown): string {
    return text === "" ? "" : named({ type: "content_block_delta", index: this.#index, delta });
  }
}

/** An event whose name is its type. */
const named = (event: { type: string; [field: string]: unknown }): string =>
  sseEvent(event, event.type);
