/**
 * Streams of `POST /v1/responses`: numbered events, as OpenAI's client puts them together.
 *
 * @module
 */
import type { AnswerTotals, ChoiceEvent, StreamWriter } from "../../dialect.ts";
import type { HttpError } from "../../errors.ts";
import type { FinishReason, GeneratedToken, GenerationEvent } from "../../generator.ts";
import type { AnswerNames } from "../../answer_names.ts";
import { SSE_COMMENT, sseEvent } from "../../sse.ts";
import { tokenLogprobs } from "../chat_words.ts";
import type { ResponsesRequest } from "./fields.ts";
import {
  callItem,
  messageItem,
  newState,
  type OutputItem,
  outputText,
  reasoningItem,
  responseObject,
  type ResponseState,
} from "./output.ts";

/** How a stream is made. */
export interface ResponseStreamInit {
  request: ResponsesRequest;
  model: string;
  /** Ids in the response. */
  names: AnswerNames;
  /** Does the request ask for log-probabilities? */
  logprobs: boolean;
  /** Called with the response when it is complete. */
  onEnd: (state: ResponseState) => void;
}

/** The item under way, and what of it has been told. */
interface OpenItem {
  item: OutputItem;
  /** The call that it is, by its number; undefined: it is no call. */
  call?: number;
  text: string;
  tokens: GeneratedToken[];
}

/** Words such a stream. */
export class ResponseWriter implements StreamWriter {
  readonly #init: ResponseStreamInit;
  readonly #state: ResponseState;
  #sequence = 0;
  #open?: OpenItem;
  #finish: FinishReason = "stop";

  constructor(init: ResponseStreamInit) {
    this.#init = init;
    this.#state = newState(init.model, init.names);
  }

  event({ event }: ChoiceEvent): string {
    switch (event.type) {
      case "started": {
        const response = responseObject(this.#init.request, this.#state);
        return this.#event("response.created", { response }) +
          this.#event("response.in_progress", { response });
      }
      case "prompt":
        return "";
      case "delta":
        return event.text === "" && !this.#init.logprobs
          ? ""
          : this.#begin("message") + this.#text(event);
      case "reasoning":
        return event.text === "" ? "" : this.#begin("reasoning") + this.#reasoning(event.text);
      case "tool_call":
        return this.#call(event);
      case "done": {
        this.#finish = event.finishReason;
        const nothing = !this.#open && this.#state.output.length === 0;
        return (nothing ? this.#begin("message") : "") + this.#close();
      }
    }
  }

  quiet(): string {
    return SSE_COMMENT;
  }

  end(totals: AnswerTotals): string {
    this.#state.ended = { finish: this.#finish, totals };
    this.#init.onEnd(this.#state);
    const response = responseObject(this.#init.request, this.#state);
    return this.#event(`response.${response.status}`, { response });
  }

  fail({ body: { error } }: HttpError): string {
    const { code, message, param } = error;
    return this.#event("error", { code, message, param, error });
  }

  #event(type: string, fields: object): string {
    return sseEvent({ type, sequence_number: this.#sequence++, ...fields }, type);
  }

  /** Where the item under way belongs. */
  #place(open: OpenItem) {
    return { item_id: open.item.id, output_index: this.#state.output.length };
  }

  /** Begins an item of text, unless one of this type is under way. */
  #begin(type: "message" | "reasoning"): string {
    if (this.#open?.item.type === type) return "";
    const closed = this.#close();
    const status = "in_progress";
    const { names } = this.#init;
    const item = type === "message"
      ? messageItem(names, status, [])
      : reasoningItem(names, status, "");
    const open: OpenItem = this.#open = { item, text: "", tokens: [] };
    const part = type === "message" ? outputText("", []) : { type: "reasoning_text", text: "" };
    return closed +
      this.#event("response.output_item.added", {
        output_index: this.#state.output.length,
        item,
      }) +
      this.#event("response.content_part.added", { ...this.#place(open), content_index: 0, part });
  }

  #text({ text: delta, tokens }: GenerationEvent & { type: "delta" }): string {
    const open = this.#open!;
    open.text += delta;
    if (this.#init.logprobs) open.tokens.push(...tokens);
    const logprobs = this.#init.logprobs ? tokenLogprobs(tokens) : [];
    const at = { ...this.#place(open), content_index: 0 };
    return this.#event("response.output_text.delta", { ...at, delta, logprobs });
  }

  #reasoning(delta: string): string {
    const open = this.#open!;
    open.text += delta;
    const at = { ...this.#place(open), content_index: 0 };
    return this.#event("response.reasoning_text.delta", { ...at, delta });
  }

  #call({ call: { index, id, name, arguments: delta = "" } }: GenerationEvent & {
    type: "tool_call";
  }): string {
    let text = "";
    if (this.#open?.call !== index) {
      text += this.#close();
      const item = callItem(this.#init.names, "in_progress", {
        call_id: id,
        name: name ?? "",
        arguments: "",
      });
      this.#open = { item, call: index, text: "", tokens: [] };
      text += this.#event("response.output_item.added", {
        output_index: this.#state.output.length,
        item,
      });
    }
    const open = this.#open!;
    if (delta === "") return text;
    open.text += delta;
    const type = "response.function_call_arguments.delta";
    return text + this.#event(type, { ...this.#place(open), delta });
  }

  /** Ends the item under way, if there is one, and puts it into the response's output. */
  #close(): string {
    const open = this.#open;
    if (!open) return "";
    const { item, text, tokens } = open;
    const place = this.#place(open);
    const at = { ...place, content_index: 0 };
    let told: string;
    let whole: OutputItem;
    const status = this.#finish === "length" ? "incomplete" : "completed";
    if (item.type === "function_call") {
      whole = { ...item, arguments: text, status };
      told = this.#event("response.function_call_arguments.done", {
        ...place,
        name: item.name,
        arguments: text,
      });
    } else if (item.type === "message") {
      const part = outputText(text, tokens);
      whole = { ...item, content: [part], status };
      const { logprobs } = part;
      told = this.#event("response.output_text.done", { ...at, text, logprobs }) +
        this.#event("response.content_part.done", { ...at, part });
    } else {
      const part = { type: "reasoning_text" as const, text };
      whole = { ...item, content: [part], status };
      told = this.#event("response.reasoning_text.done", { ...at, text }) +
        this.#event("response.content_part.done", { ...at, part });
    }
    const { output_index } = place;
    this.#open = undefined;
    this.#state.output.push(whole);
    return told + this.#event("response.output_item.done", { output_index, item: whole });
  }
}
