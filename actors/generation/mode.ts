/**
 * Which mode a request is answered in, and how that is explained.
 *
 * @module
 */
import type { OutlineText } from "../outline/contract.ts";
import type { AnswerReport, Mode, Start } from "./messages.ts";

/** Longest draft where neither the request nor the plan says. */
const DRAFT_LENGTH = 8;
/** `auto` takes an outline where answers are as long as this in the mean: a short one is over before its outline is. */
const LONG_ANSWER = 96;

/** What was decided before the first row. */
export interface ModeChoice {
  outline: boolean;
  /** Longest draft; 0: no speculation. */
  draftMax: number;
  /** Why there is no outline, or why there is one. */
  outlineWhy: string;
}

/** What the end knows. */
export interface ModeFacts {
  asked: Mode;
  outline?: { readonly branches: number; readonly fallback?: string };
  speculation?: {
    readonly drafted: number;
    readonly accepted: number;
    readonly lost?: string;
    readonly source: { name: string; acceptance: number };
  };
  /** Tokens generated. */
  generated: number;
}

/** Decides; `words` are the question's outline texts, if it has any. */
export function decideMode(start: Start, words: OutlineText | undefined): ModeChoice {
  const { mode, shape } = start;
  const speculates = mode === "auto" || mode.endsWith("speculative");
  const draftMax = speculates ? start.draft_length ?? (shape.draft_length || DRAFT_LENGTH) : 0;
  if (mode === "plain" || mode === "speculative") return { outline: false, draftMax, outlineWhy: "" };
  const blocked = blocks(start, words);
  if (blocked !== undefined) return { outline: false, draftMax, outlineWhy: `no outline: ${blocked}` };
  if (mode !== "auto") return { outline: true, draftMax, outlineWhy: "outline as asked" };
  const { route } = words!;
  const against = !route.suited
    ? route.why
    : start.stages === 1 && shape.rows_per_frame === 1
    ? "branches would wait for each other on one stage that runs one row at a time"
    : start.answer_tokens === undefined
    ? "how long answers are here is not measured yet"
    : Math.min(start.answer_tokens, start.max_tokens) < LONG_ANSWER
    ? `answers of ${Math.round(Math.min(start.answer_tokens, start.max_tokens))} tokens are too short to gain`
    : undefined;
  if (against !== undefined) return { outline: false, draftMax, outlineWhy: `no outline: ${against}` };
  return { outline: true, draftMax, outlineWhy: `outline because ${route.why}` };
}

/** What stands against an outline, whoever wishes it. */
function blocks(start: Start, words: OutlineText | undefined): string | undefined {
  const { sampling, stop, context, max_tokens } = start;
  if (!words) return "the prompt is not a conversation that ends with a question";
  if ((start.max_branches ?? start.shape.max_branches) < 2) return "one branch at a time gains nothing";
  if (stop.length > 0) return "stop strings need one text from its beginning to its end";
  if (sampling.logprobs || sampling.top_logprobs > 0) {
    return "log-probabilities are of one sequence of tokens";
  }
  if (sampling.presence_penalty !== 0 || sampling.frequency_penalty !== 0) {
    return "presence and frequency penalties need to know what was generated before";
  }
  const request = words.outlinePrompt();
  if (start.prompt.length < 2 || request[0] !== start.prompt[0]) {
    return "its request does not begin as the prompt does, so that no row is shared";
  }
  if (request.length + max_tokens > context) {
    return `its request and ${max_tokens} tokens do not fit the context of ${context}`;
  }
  return undefined;
}

/** The mode that it came to be, and one sentence about why. */
export function reportMode(choice: ModeChoice, facts: ModeFacts): Pick<AnswerReport, "mode" | "why"> {
  const { asked, outline, speculation } = facts;
  const outlined = outline !== undefined && outline.fallback === undefined;
  const speculated = (speculation?.drafted ?? 0) > 0;
  const mode = outlined
    ? speculated ? "outline+speculative" : "outline"
    : speculated
    ? "speculative"
    : "plain";
  const parts: string[] = [];
  if (asked === mode) parts.push(`${mode} as asked`);
  else if (asked !== "auto") parts.push(`${mode} though ${asked} was asked for`);
  else parts.push(`${mode} chosen`);
  if (outlined) {
    if (asked === "auto") parts.push(choice.outlineWhy);
    parts.push(`${outline.branches} points`);
  } else if (outline?.fallback !== undefined) {
    parts.push(`the outline could not be used: ${outline.fallback}`);
  } else if (choice.outlineWhy !== "") parts.push(choice.outlineWhy);
  if (speculation) parts.push(...speculationWhy(speculation, facts.generated));
  return { mode, why: parts.join("; ") };
}

function speculationWhy(
  { drafted, accepted, lost, source }: NonNullable<ModeFacts["speculation"]>,
  generated: number,
): string[] {
  const parts: string[] = [];
  if (lost !== undefined) parts.push(`the draft model was given up: ${lost}`);
  if (drafted > 0) {
    const share = Math.round(100 * accepted / drafted);
    parts.push(`${accepted} of ${drafted} drafted tokens came true (${share} %)`);
  } else if (generated > 1) {
    parts.push(
      `${source.name} had no draft that pays (first tokens right: ${Math.round(100 * source.acceptance)} %)`,
    );
  }
  return parts;
}
