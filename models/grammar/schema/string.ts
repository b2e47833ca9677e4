/**
 * Strings as grammars.
 *
 * @module
 */
import { hasCode } from "../../../actors/system/errors.ts";
import { ANY } from "../chars.ts";
import { choice, repeat } from "../ebnf.ts";
import { IN_JSON, parseRegex, writeAutomaton, writeRegex } from "../regex/mod.ts";
import type { StringBranch } from "./branch.ts";
import type { Writing } from "./writing.ts";

/** Longest limit of a string whose characters are counted by states, which take time to compile. */
const MOST_COUNTED = 32;

/** A part of a sequence for the branch's strings in their quotes; there is one. */
export function writeString(branch: StringBranch, writer: Writing): string {
  const { rules } = writer;
  const long = branch.checks.length === 0 && branch.most > MOST_COUNTED && branch.most < Infinity;
  if (!long) return `"\\"" ${inside(branch, writer)}`;
  if (writer.exact) {
    const { least, most } = branch;
    return rules.of(`"\\"" ${repeat(choice(IN_JSON.chars(ANY, rules)), least, most)} "\\""`);
  }
  writer.leftOut = true;
  return `"\\"" ${inside({ ...branch, most: Infinity }, writer)}`;
}

/** An automaton with more states is written only where the pattern itself cannot be: states take time. */
const MOST_STATES = 128;

function inside(branch: StringBranch, { rules, schemas }: Writing): string {
  const { least, most, checks: [check, ...others] } = branch;
  const alone = others.length === 0 && least === 0 && most === Infinity;
  const { source, where } = alone && check?.pattern || {};
  const asWritten = () =>
    source !== undefined && where !== undefined
      ? writeRegex(parseRegex(source), { where, spelling: IN_JSON, rules })
      : undefined;
  try {
    const texts = schemas.textsOf(branch);
    const written = texts.length > MOST_STATES ? asWritten() : undefined;
    return written ?? writeAutomaton(texts, IN_JSON, rules);
  } catch (error) {
    const written = hasCode(error, "grammar_too_large") ? asWritten() : undefined;
    if (written === undefined) throw error;
    return written;
  }
}
