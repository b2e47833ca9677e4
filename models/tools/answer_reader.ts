/**
 * What reads an answer's text, by how its model writes.
 *
 * @module
 */
import { AnswerParser, type AnswerParserOptions } from "./answer_parser.ts";
import { HarmonyParser } from "./harmony_parser.ts";
import type { AnswerPiece } from "./tool_use.ts";

/** Reads an answer piece by piece. */
export interface AnswerReader {
  /** Calls whose name was told. */
  readonly calls: number;
  /** Takes more text; gives what has become certain. */
  push(text: string): AnswerPiece[];
  /** The answer is over; `cut`: by its limit of tokens. Gives what was held back. */
  end(cut: boolean): AnswerPiece[];
}

/** A reader of one answer. */
export function answerReader(options: AnswerParserOptions): AnswerReader {
  const { format, functions, parallel } = options;
  return format.channels
    ? new HarmonyParser({ functions, parallel, callId: format.callId })
    : new AnswerParser(options);
}
