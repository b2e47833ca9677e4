/**
 * What an answer with functions, or with thoughts, is held to.
 *
 * @module
 */
import type { ConstraintSpec } from "../grammar/mod.ts";
import {
  type AnswerChannels,
  type CallGrammar,
  type HeldFunction,
  repeated,
  type TagFormat,
  type ToolFormat,
} from "./format.ts";
import { afterThinking, type Thinking } from "./reasoning.ts";
import type { ToolFunction, ToolUse } from "./tool_use.ts";

/** What an answer is made with. */
export interface AnswerRules {
  /** How the model writes calls. */
  format: ToolFormat;
  /** The functions; undefined: none may be called. */
  use?: ToolUse;
  /** What the answer's text must be. @default any text */
  constraint?: ConstraintSpec;
  /** How the answer begins; undefined: without thoughts. */
  thinking?: Thinking;
  /**
   * Throws where no grammar can hold to a schema. The arguments of a function that is not strict are
   * then any object.
   */
  check(schema: unknown): void;
}

/**
 * The constraint of an answer: calls in the model's own form, with arguments that are held to their
 * schema, or text that keeps the request's constraint, behind thoughts where the model has such.
 * undefined: any text will do. Throws what `check` throws for a strict function.
 */
export function answerConstraint(rules: AnswerRules): ConstraintSpec | undefined {
  const { use, constraint, thinking } = rules;
  if (rules.format.channels) return inChannels(rules, rules.format.channels);
  if (!use || use.choice === "none") {
    if (!constraint || !thinking) return constraint;
    return tagged(afterThinking(formatOf(constraint), thinking));
  }
  const calls = callFormat(rules, use);
  return tagged(thinking ? afterThinking(calls, thinking) : calls);
}

/** The constraint of an answer that is written in channels. */
function inChannels(rules: AnswerRules, channels: AnswerChannels): ConstraintSpec | undefined {
  const { use, constraint } = rules;
  const held = constraint && channels.text(formatOf(constraint));
  if (!use || use.choice === "none") return held && tagged(channels.behind(held));
  const calls = (choice: ToolUse["choice"]) =>
    callFormat({ ...rules, constraint: undefined }, { ...use, choice });
  if (use.choice !== "auto") return tagged(channels.behind(calls(use.choice)));
  if (held) {
    const either: TagFormat[] = [channels.beside(calls("required")), held];
    return tagged(channels.behind({ type: "or", elements: either }));
  }
  const { tags } = rules.format.grammar(heldFunctions(rules, use), false);
  return tagged(channels.free(tags));
}

/** The functions that may be called, with what holds their arguments. */
function heldFunctions({ check }: AnswerRules, { choice, functions }: ToolUse): HeldFunction[] {
  const named = typeof choice === "object" ? choice.name : undefined;
  return functions
    .filter(({ name }) => named === undefined || name === named)
    .map((fn) => ({ ...fn, schema: schemaOf(fn, check) }));
}

function callFormat(rules: AnswerRules, use: ToolUse): TagFormat {
  const { choice } = use;
  const functions = heldFunctions(rules, use);
  const parallel = use.parallel && typeof choice !== "object";
  const grammar = rules.format.grammar(functions, parallel);
  if (choice !== "auto") return callsOnly(grammar, parallel);
  if (rules.constraint) {
    const [calls, text] = [callsOnly(grammar, parallel), formatOf(rules.constraint)];
    return { type: "or", elements: [calls, alike(text, calls)] };
  }
  return {
    type: "triggered_tags",
    triggers: grammar.triggers,
    tags: grammar.tags,
    stop_after_first: !parallel || grammar.separator === undefined,
  };
}

/** At least one call, and no other text before it. */
function callsOnly({ triggers, tags, separator }: CallGrammar, parallel: boolean): TagFormat {
  if (separator === undefined || !parallel) {
    return tags.length === 1 ? tags[0] : { type: "or", elements: tags };
  }
  return repeated(triggers, tags, separator);
}

/**
 * A format as one of a choice with `other`: the engine wants either all of them to be lists of tags,
 * or none.
 */
function alike(format: TagFormat, other: TagFormat): TagFormat {
  if (other.type !== "tags_with_separator" && other.type !== "triggered_tags") return format;
  return {
    type: "tags_with_separator",
    tags: [{ type: "tag", begin: "", content: format, end: "" }],
    separator: "\n",
    at_least_one: true,
    stop_after_first: true,
  };
}

/** The schema of a function's arguments, which are an object. */
function schemaOf(
  { parameters, strict }: ToolFunction,
  check: (schema: unknown) => void,
): HeldFunction["schema"] {
  const schema = { type: "object", ...parameters };
  try {
    check(schema);
    return schema;
  } catch (error) {
    if (strict) throw error;
    return { type: "object" };
  }
}

/** A constraint as a part of a structural tag. */
function formatOf(constraint: ConstraintSpec): TagFormat {
  switch (constraint.kind) {
    case "json":
      return { type: "json_schema", json_schema: { type: "object" } };
    case "json_schema":
      return { type: "json_schema", json_schema: constraint.schema };
    case "regex":
      return { type: "regex", pattern: constraint.pattern };
    case "grammar":
      return { type: "grammar", grammar: constraint.ebnf };
    case "structural_tag": {
      const { tag } = constraint;
      const format = (tag as { format?: unknown } | null)?.format ?? tag;
      return format as TagFormat;
    }
  }
}

const tagged = (format: TagFormat): ConstraintSpec => ({
  kind: "structural_tag",
  tag: { type: "structural_tag", format },
});
