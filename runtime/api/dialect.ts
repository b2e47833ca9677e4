/**
 * What every API dialect (OpenAI's chat and completions, ...) has in common: a request becomes one
 * internal task, and what the task's generations tell becomes the response that the dialect words.
 *
 * @module
 */
import type { HttpError } from "./errors.ts";
import type { AnswerNames } from "./answer_names.ts";
import type {
  ApiToolCall,
  FinishReason,
  GeneratedToken,
  GenerateRequest,
  GenerationEvent,
  ModelCard,
  ServedReport,
} from "./generator.ts";

/** One answer that a request asks for. */
export interface ApiChoice {
  /**
   * Index of the prompt within the request, from 0. Choices may share a prompt: the usage counts
   * its tokens once.
   */
  prompt: number;
  /** What the generator is asked. */
  request: GenerateRequest;
}

/** An event of one choice. */
export interface ChoiceEvent {
  /** Number of the choice within the request, from 0. */
  index: number;
  event: GenerationEvent;
}

/** A validated request of any dialect. */
export interface ApiTask {
  /** `default` or the name of the model that is asked. */
  model: string;
  /** The answers asked for; none: nothing is generated, and the response says only that. */
  choices: ApiChoice[];
  /** Send the answer as a stream? */
  stream: boolean;
  /** Words this task's response. */
  wording: Wording;
  /**
   * The choices depend on what only this node keeps: another one cannot read them from the body.
   * @default false
   */
  local?: boolean;
}

/** What a dialect knows of the node when it reads a request. */
export interface RequestFacts {
  /** Models that the node serves now; empty while it serves none. */
  cards: ModelCard[];
  /**
   * The request was read before, perhaps at another node: its choices are known, and what only that
   * node keeps may be missing here. @default false
   */
  again?: boolean;
}

/** How an endpoint reads its requests. */
export interface Dialect {
  /**
   * The task of a request's JSON body. Throws group `api`: `invalid_value`,
   * `unsupported_parameter` (metadata: `param`).
   */
  parse(body: unknown, facts: RequestFacts): ApiTask | Promise<ApiTask>;
}

/** Token counts and timings of an answer. */
export interface AnswerTotals {
  /** Tokens of the prompts; a prompt that several choices share counts once. */
  promptTokens: number;
  /** Tokens of the prompts that were kept from earlier requests; left out: none. */
  cachedTokens?: number;
  /** Tokens generated, over all choices. */
  completionTokens: number;
  /** Milliseconds from request to first token (TTFT), of the first choice. */
  ttftMs: number;
  /** Mean milliseconds of each further token (TPOT), of the first choice. */
  tpotMs: number;
  /** Tokens of reasoning among those generated. */
  reasoningTokens: number;
  /**
   * Draft rows of the choices that had a prediction, and how many of them were accepted; undefined:
   * no choice had one.
   */
  predicted?: { drafted: number; accepted: number };
  /** How the first choice was made; undefined until it is done. */
  report?: ServedReport;
}

/** One choice's whole answer. */
export interface AnswerPart {
  /** Text of the answer, without reasoning and calls. */
  text: string;
  /** Tokens of the text. */
  tokens: GeneratedToken[];
  /** Tokens of the prompt, where their log-probabilities were wanted; else none. */
  prompt: GeneratedToken[];
  /** What the model thought first; empty: nothing. */
  reasoning: string;
  /** Functions that the answer calls. */
  calls: ApiToolCall[];
  finishReason: FinishReason;
  /** The stop string that ended the answer, where one did. */
  stopText?: string;
}

/** The answer to a task that has run to its end. */
export interface WholeAnswer {
  /** Name of the model that answered. */
  model: string;
  /** One for each choice, in their order. */
  parts: AnswerPart[];
  totals: AnswerTotals;
  /** Ids in the response. */
  names: AnswerNames;
}

/** Words the response to one task. */
export interface Wording {
  /** Content type of a stream. */
  streamType: string;
  /** The JSON body of a whole answer. */
  whole(answer: WholeAnswer): unknown;
  /** Words a stream of the answer of `model`; it is used for one stream. */
  stream(model: string, names: AnswerNames): StreamWriter;
}

/** Turns what generations tell into the text of a stream. Empty text: nothing for the client. */
export interface StreamWriter {
  /** What an event of one choice adds. */
  event(step: ChoiceEvent): string;
  /** What keeps a connection alive on which nothing has happened for a while. */
  quiet(): string;
  /** What ends a stream whose generations have all ended. */
  end(totals: AnswerTotals): string;
  /** What ends a stream that breaks. */
  fail(error: HttpError): string;
}
