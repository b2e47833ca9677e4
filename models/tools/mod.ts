/**
 * Tools: how model families write calls of functions, what holds an answer to them, and what turns
 * an answer's text into thoughts, text and calls. See docs/tools.md.
 *
 * @module
 */
export { answerConstraint, type AnswerRules } from "./answer_constraint.ts";
export { AnswerParser, type AnswerParserOptions } from "./answer_parser.ts";
export { type AnswerReader, answerReader } from "./answer_reader.ts";
export { TOOL_FORMATS } from "./formats/mod.ts";
export type { ToolFormat } from "./format.ts";
export { type Thinking, thinkingAfter, type ThinkMarks, thinkMarksOf } from "./reasoning.ts";
export { type TemplateInput, ToolTemplate } from "./tool_template.ts";
export type { AnswerPiece, ToolCallDelta, ToolFunction, ToolUse } from "./tool_use.ts";
