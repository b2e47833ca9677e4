/**
 * Models that think before they answer, between two texts such as `<think>` and `</think>`.
 *
 * @module
 */
import type { TagFormat } from "./format.ts";

/** The texts around what a model thinks. */
export interface ThinkMarks {
  /** Before it. */
  open: string;
  /** After it. */
  close: string;
}

/** How an answer begins. */
export interface Thinking {
  /** The texts around what the model thinks. */
  marks: ThinkMarks;
  /** `open`: the prompt has opened it; `maybe`: the answer may begin with it. */
  state: "open" | "maybe";
}

const MARKS: ThinkMarks[] = [
  { open: "<think>", close: "</think>" },
  { open: "[THINK]", close: "[/THINK]" },
  { open: "<seed:think>", close: "</seed:think>" },
  { open: "<|START_THINKING|>", close: "<|END_THINKING|>" },
  { open: "<|channel>thought", close: "<channel|>" }, // Gemma 4
];

/** The texts around thoughts that a chat template knows; undefined: it knows none. */
export function thinkMarksOf(template: string): ThinkMarks | undefined {
  return MARKS.find(({ open, close }) => template.includes(open) || template.includes(close));
}

/**
 * Whether an answer to this prompt may begin with thoughts; undefined: no, as the template knows none
 * or has closed them (`enable_thinking: false`). `tail` is the end of the prompt, as the template
 * wrote it.
 */
export function thinkingAfter(marks: ThinkMarks | undefined, tail: string): Thinking | undefined {
  if (!marks) return undefined;
  const end = tail.trimEnd();
  if (end.endsWith(marks.open)) return { marks, state: "open" };
  return end.endsWith(marks.close) ? undefined : { marks, state: "maybe" };
}

/** A format behind thoughts, with the empty lines that models write after them. */
export function afterThinking(format: TagFormat, { marks, state }: Thinking): TagFormat {
  const thoughts = (begin: string): TagFormat => ({
    type: "sequence",
    elements: [
      { type: "tag", begin, content: { type: "any_text" }, end: marks.close },
      { type: "regex", pattern: "\\n{0,2}" },
      format,
    ],
  });
  return state === "open" ? thoughts("") : { type: "or", elements: [thoughts(marks.open), format] };
}
