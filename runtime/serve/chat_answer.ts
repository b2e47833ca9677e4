/**
 * What a conversation's answer is held to, and how its text becomes events: thoughts, text for the
 * reader, calls of functions.
 *
 * @module
 */
import {
  answerConstraint,
  type AnswerPiece,
  type AnswerReader,
  answerReader,
  type ConstraintSpec,
  type Thinking,
  thinkingAfter,
  type ThinkMarks,
  type ToolFormat,
} from "../../models/mod.ts";
import type { GeneratedToken, GenerateRequest, GenerationEvent } from "../api/mod.ts";

/** What an answer needs of a model. */
export interface ChatAnswerModel {
  /** How the model writes calls. */
  format: ToolFormat;
  /** The texts around what it thinks; undefined: it does not think. */
  thinkMarks?: ThinkMarks;
  /** Throws where no grammar can hold to a JSON schema. */
  check(schema: unknown): void;
}

/** See the module's text. */
export class ChatAnswer {
  /** What the answer's text must be; undefined: any text. Calls and thoughts are parts of it. */
  readonly constraint?: ConstraintSpec;
  /** Whether the answer may have thoughts or calls: it is then one sequence, and no outline. */
  readonly single: boolean;
  readonly #parser?: AnswerReader;

  /**
   * `tail` is the end of the rendered prompt. Throws what `check` throws for a strict function.
   */
  constructor(request: GenerateRequest, model: ChatAnswerModel, tail: string) {
    const { tools } = request;
    const thinking: Thinking | undefined = thinkingAfter(model.thinkMarks, tail);
    const { format, check } = model;
    this.constraint = answerConstraint({
      format,
      use: tools,
      constraint: request.constraint,
      thinking,
      check,
    });
    const calls = tools && tools.choice !== "none" ? tools : undefined;
    this.single = calls !== undefined || thinking !== undefined || format.channels !== undefined;
    if (!this.single) return;
    this.#parser = answerReader({
      format,
      functions: calls?.functions ?? [],
      parallel: calls !== undefined && calls.parallel && typeof calls.choice !== "object",
      thinking,
    });
  }

  /** The events with thoughts and calls told apart from text. */
  async *events(source: AsyncIterable<GenerationEvent>): AsyncIterable<GenerationEvent> {
    const parser = this.#parser;
    if (!parser) return yield* source;
    /** Tokens whose text has not been told. */
    let tokens: GeneratedToken[] = [];
    const told = (piece: AnswerPiece): GenerationEvent => {
      const mine = tokens;
      tokens = [];
      if (piece.type === "tool_call") return piece;
      const { type, text } = piece;
      return { type: type === "content" ? "delta" : "reasoning", text, tokens: mine };
    };
    for await (const event of source) {
      if (event.type === "delta") {
        tokens.push(...event.tokens);
        for (const piece of parser.push(event.text)) yield told(piece);
        const { progress } = event;
        if (progress) yield { type: "delta", text: "", tokens: [], progress };
      } else if (event.type === "done") {
        for (const piece of parser.end(event.finishReason === "length")) yield told(piece);
        const called = parser.calls > 0 && event.finishReason === "stop";
        yield called ? { ...event, finishReason: "tool_calls" } : event;
      } else yield event;
    }
  }
}
