/**
 * Responses of `POST /api/chat` and `POST /api/generate`: one JSON object, or one a line.
 *
 * @module
 */
import type { AnswerPart, AnswerTotals, ChoiceEvent, StreamWriter, Wording } from "../dialect.ts";
import type { HttpError } from "../errors.ts";
import type { ApiToolCall, FinishReason, GeneratedToken } from "../generator.ts";
import { LINES_TYPE } from "../step_lines.ts";
import { ollamaError } from "./errors.ts";

/** Nanoseconds of a millisecond: Ollama's durations are in nanoseconds. */
const NS = 1_000_000;

/** What a message of an answer, or a piece of it, says. */
interface OllamaSaid {
  content: string;
  thinking?: string;
  tool_calls?: unknown[];
}

/** The answer of a request that only loads the model. */
const NOTHING: AnswerPart = {
  text: "",
  tokens: [],
  prompt: [],
  reasoning: "",
  calls: [],
  finishReason: "stop",
};

/** How an endpoint words an answer. */
export interface OllamaWordsInit {
  /** Does the request ask for log-probabilities? */
  logprobs: boolean;
  /** Does the request only load the model? Nothing is generated then. */
  loads: boolean;
  /** The endpoint's fields for what is said. */
  text(said: OllamaSaid): object;
}

/** Words the answer to one request. */
export function ollamaWording(init: OllamaWordsInit): Wording {
  const begun = performance.now();
  return {
    streamType: LINES_TYPE,
    whole: ({ model, parts: [part = NOTHING], totals }) => ({
      ...headOf(model),
      ...init.text({
        content: part.text,
        ...(part.reasoning !== "" && { thinking: part.reasoning }),
        ...(part.calls.length > 0 && { tool_calls: part.calls.map(callOf) }),
      }),
      ...(init.logprobs && { logprobs: logprobsOf(part.tokens) }),
      ...endOf(init.loads ? "load" : part.finishReason, totals, begun),
    }),
    stream: (model) => new LineWriter(init, model, begun),
  };
}

/** The fields that every object begins with. */
export const headOf = (model: string) => ({ model, created_at: new Date().toISOString() });

/** The fields of the last object; `begun`: when the request came, milliseconds. */
function endOf(finish: FinishReason | "load", totals: AnswerTotals, begun: number) {
  const { promptTokens, completionTokens, ttftMs, tpotMs, report } = totals;
  const ns = (ms: number) => Math.round(ms * NS);
  return {
    done: true,
    // Ollama has no reason for calls: it says `stop`.
    done_reason: finish === "tool_calls" ? "stop" : finish,
    total_duration: ns(performance.now() - begun),
    load_duration: 0,
    prompt_eval_count: promptTokens,
    prompt_eval_duration: ns(ttftMs),
    eval_count: completionTokens,
    eval_duration: ns(tpotMs * Math.max(0, completionTokens - 1)),
    orrery: report,
  };
}

/** A call as Ollama has it: the arguments are an object; text that is no JSON is given as it is. */
function callOf({ id, function: { name, arguments: text } }: ApiToolCall, index: number) {
  let given: unknown;
  try {
    given = text === "" ? {} : JSON.parse(text);
  } catch {
    given = { unparsed: text };
  }
  return { id, function: { index, name, arguments: given } };
}

const logprobsOf = (tokens: GeneratedToken[]) =>
  tokens.map(({ text, logprob = 0, top = [], topText = [] }) => ({
    token: text,
    logprob,
    top_logprobs: top.map(([, logprob], i) => ({ token: topText[i] ?? "", logprob })),
  }));

/** Words a stream of lines. */
class LineWriter implements StreamWriter {
  readonly #init: OllamaWordsInit;
  readonly #model: string;
  readonly #begun: number;
  /** Calls so far; Ollama sends each as a whole. */
  readonly #calls: ApiToolCall[] = [];
  /** Calls that were sent. */
  #sent = 0;
  #finish: FinishReason = "stop";

  constructor(init: OllamaWordsInit, model: string, begun: number) {
    this.#init = init;
    this.#model = model;
    this.#begun = begun;
  }

  event({ event }: ChoiceEvent): string {
    switch (event.type) {
      case "started":
      case "prompt":
        return "";
      case "delta":
        if (event.text === "" && !this.#init.logprobs) return "";
        return this.#said(
          { content: event.text },
          this.#init.logprobs ? { logprobs: logprobsOf(event.tokens) } : {},
        );
      case "reasoning":
        return event.text === "" ? "" : this.#said({ content: "", thinking: event.text });
      case "tool_call": {
        const { index, id, name = "", arguments: more = "" } = event.call;
        const before = this.#send(index);
        const call = this.#calls[index] ??= {
          id,
          type: "function",
          function: { name: "", arguments: "" },
        };
        call.function.name += name;
        call.function.arguments += more;
        return before;
      }
      case "done":
        this.#finish = event.finishReason;
        return this.#send(this.#calls.length);
    }
  }

  /** Nothing: Ollama's clients take each line for a part of the answer. */
  quiet(): string {
    return "";
  }

  end(totals: AnswerTotals): string {
    const said = this.#init.text({ content: "" });
    const finish = this.#init.loads ? "load" : this.#finish;
    const end = endOf(finish, totals, this.#begun);
    return line({ ...headOf(this.#model), ...said, ...end });
  }

  fail(error: HttpError): string {
    return line(ollamaError(error));
  }

  /** The calls below this number that were not sent yet: they are complete. */
  #send(below: number): string {
    let text = "";
    for (; this.#sent < Math.min(below, this.#calls.length); this.#sent++) {
      const tool_calls = [callOf(this.#calls[this.#sent], this.#sent)];
      text += this.#said({ content: "", tool_calls });
    }
    return text;
  }

  #said(said: OllamaSaid, more: object = {}): string {
    return line({ ...headOf(this.#model), ...this.#init.text(said), ...more, done: false });
  }
}

const line = (value: unknown): string => `${JSON.stringify(value)}\n`;
