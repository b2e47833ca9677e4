/**
 * Which mode a request is answered in, and how that is explained.
 *
 * @module
 */
import { OrreryError } from "../system/mod.ts";
import type { Mode, OutlineText } from "../outline/mod.ts";
import type { AnswerReport } from "./client_messages.ts";
import type { Start } from "./messages.ts";

/** Most tokens of a draft where neither the request nor the plan says. */
const DRAFT_LENGTH = 8;
/** The same where the client sends a prediction. */
const PREDICTED_LENGTH = 16;
/**
 * Tokens that answers must have in the mean for `auto` to take an outline: a shorter answer would
 * end before its outline does.
 */
const LONG_ANSWER = 96;

/** How a request is to be answered, decided before its first row. */
export interface ModeChoice {
  /** An outline is tried. */
  outline: boolean;
  /** Most tokens of a draft; 0: no speculation. */
  draftLength: number;
  /** Drafts of `draftLength` tokens are made whether they pay or not. */
  always: boolean;
  /** Why the deployment's draft model is not used; undefined: it is, if there is one. */
  noModel?: string;
  /** Why an outline is tried, or why not; empty: the mode has none. */
  outlineWhy: string;
}

/** How a request was answered, known at its end. */
export interface ModeFacts {
  /** The mode that was asked for. */
  asked: Mode;
  /** See `Start.mode_by`. @default "request" */
  by?: "request" | "graph";
  /** The outline that was tried; `fallback`: why it was given up. */
  outline?: { readonly branches: number; readonly fallback?: string };
  /** undefined: nothing was to be drafted. */
  speculation?: {
    /** Draft rows that were sent. */
    readonly drafted: number;
    /** Draft rows that came true. */
    readonly accepted: number;
    /** Why the draft model was given up; undefined: it was not. */
    readonly lost?: string;
    /** The drafter used last, and the acceptance rate of its first tokens, 0 to 1. */
    readonly source: { name: string; acceptance: number };
  };
  /** Tokens generated. */
  generated: number;
}

/**
 * Decides how a request is answered; `words` are the prompts of its outline, undefined where there
 * can be none. A refusal is always one short text. An answer that goes on, `resumed`, stays what it was. Throws group `api`, code `invalid_value` where the client gives points and no
 * outline can be, or asks for an outline of an answer that is held to a grammar.
 */
export function decideMode(
  start: Start,
  words: OutlineText | undefined,
  resumed?: { readonly outline: boolean },
): ModeChoice {
  const { mode, shape, points, prediction, draft_length: asked, refuses } = start;
  const speculates = mode === "auto" || mode.endsWith("speculative");
  const most = shape.policy?.draft_length ?? Infinity;
  const usual = Math.min(most, prediction ? PREDICTED_LENGTH : shape.draft_length || DRAFT_LENGTH);
  const draftLength = speculates ? asked ?? usual : 0;
  const noModel = prediction
    ? "drafts come from the prediction"
    : start.drafter !== undefined && mode === "auto" && shape.draft_length === 0 &&
        asked === undefined
    ? "the plan says that a draft model does not pay"
    : undefined;
  const always = mode.endsWith("speculative") && draftLength > 0 && asked !== undefined;
  const how = { draftLength, always, ...(noModel !== undefined && { noModel }) };
  const without = (why: string) => ({ ...how, outline: false, outlineWhy: why });
  if (refuses) return without("the question is about nothing that the model has learned");
  if (mode === "plain" || mode === "speculative") {
    if (points) throw badPoints(`mode ${mode} has no outline`);
    return without("");
  }
  if (resumed && !resumed.outline) return without("no outline, as it began");
  if (resumed && words) return { ...how, outline: true, outlineWhy: "outline, as it began" };
  const blocked = blocks(start, words);
  if (blocked !== undefined) {
    if (points) throw badPoints(blocked);
    if (start.constrained && mode !== "auto") throw badMode(mode, blocked);
    return without(`no outline: ${blocked}`);
  }
  if (points) return { ...how, outline: true, outlineWhy: "outline of the points that were given" };
  if (mode !== "auto") return { ...how, outline: true, outlineWhy: "outline as asked" };
  if (prediction) return without("no outline: a prediction is of one text");
  const { route } = words!;
  const against = !route.suited
    ? route.why
    : start.stages === 1 && shape.rows_per_frame === 1
    ? "branches would wait for each other on one stage that runs one row at a time"
    : start.answer_tokens === undefined
    ? "how long answers are here is not measured yet"
    : Math.min(start.answer_tokens, start.max_tokens) < LONG_ANSWER
    ? `answers of ${
      Math.round(Math.min(start.answer_tokens, start.max_tokens))
    } tokens are too short to gain`
    : undefined;
  if (against !== undefined) return without(`no outline: ${against}`);
  return { ...how, outline: true, outlineWhy: `outline because ${route.why}` };
}

function badPoints(why: string): OrreryError {
  return new OrreryError({
    group: "api",
    code: "invalid_value",
    message: `orrery.points: ${why}`,
    metadata: { param: "orrery.points" },
  });
}

function badMode(mode: Mode, why: string): OrreryError {
  return new OrreryError({
    group: "api",
    code: "invalid_value",
    message: `orrery.mode: there can be no ${mode}: ${why}; take auto, plain or speculative`,
    metadata: { param: "orrery.mode" },
  });
}

/** Why no outline can be, whoever asks for one; undefined: one can. */
function blocks(start: Start, words: OutlineText | undefined): string | undefined {
  const { sampling, stop, context, max_tokens, points } = start;
  if (start.constrained) return "an answer that is held to a grammar is one text";
  if (start.prompt_logprobs !== undefined) {
    return "log-probabilities of the prompt are those of one sequence of tokens";
  }
  if (!words) return "the prompt is not a conversation that ends with a question";
  if (!points && (start.max_branches ?? start.shape.max_branches) < 2) {
    return "one branch at a time gains nothing";
  }
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
  if (!points && request.length + max_tokens > context) {
    return `its request and ${max_tokens} tokens do not fit the context of ${context}`;
  }
  return undefined;
}

/** The mode in which the request was answered, and one sentence that says why. */
export function reportMode(
  choice: ModeChoice,
  facts: ModeFacts,
): Pick<AnswerReport, "mode" | "why"> {
  const { asked, by, outline, speculation } = facts;
  const outlined = outline !== undefined && outline.fallback === undefined;
  const speculated = (speculation?.drafted ?? 0) > 0;
  const mode = outlined
    ? speculated ? "outline+speculative" : "outline"
    : speculated
    ? "speculative"
    : "plain";
  const parts: string[] = [];
  const graph = by === "graph";
  if (asked === "auto") parts.push(`${mode} chosen`);
  else if (asked === mode) parts.push(`${mode} as ${graph ? "the graph says" : "asked"}`);
  else parts.push(`${mode} though ${graph ? `the graph says ${asked}` : `${asked} was asked for`}`);
  if (outlined) {
    if (asked === "auto" || choice.outlineWhy !== "outline as asked") parts.push(choice.outlineWhy);
    parts.push(`${outline.branches} points`);
  } else if (outline?.fallback !== undefined) {
    parts.push(`the outline could not be used: ${outline.fallback}`);
  } else if (choice.outlineWhy !== "") parts.push(choice.outlineWhy);
  if (speculation && choice.noModel !== undefined) parts.push(choice.noModel);
  if (speculation) parts.push(...speculationWhy(speculation, facts.generated));
  return { mode, why: parts.join("; ") };
}

/** What became of the drafts, for that sentence. */
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
      `${source.name} had no draft that pays (first tokens right: ${
        Math.round(100 * source.acceptance)
      } %)`,
    );
  }
  return parts;
}
