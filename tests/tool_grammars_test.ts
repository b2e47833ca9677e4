/**
 * The grammars of calls, walked by the engine: each family's own form passes, with arguments that are
 * valid, and nothing else does.
 */
import assert from "node:assert/strict";
import {
  answerConstraint,
  type ConstraintSpec,
  grammarOf,
  type Thinking,
  Tokenizer,
  TOOL_FORMATS,
  type ToolUse,
} from "../models/mod.ts";
import { type Grammars, openGrammars } from "../runtime/grammar/mod.ts";
import { type ScriptedCall, TOOL_FAMILIES } from "./support/tool_families.ts";

const tokenizer = await Tokenizer.load("models/embedded/target");
const eos = [...tokenizer.specialIds].slice(0, 1);

const PARAMETERS = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city"],
  additionalProperties: false,
};
const USE: ToolUse = {
  functions: [{ name: "get_weather", parameters: PARAMETERS }, { name: "now", parameters: {} }],
  choice: "auto",
  parallel: true,
};
const ROME: ScriptedCall = { name: "get_weather", arguments: { city: "Rome", days: 2 } };
const OSLO: ScriptedCall = { name: "get_weather", arguments: { city: "Oslo" } };

/** How much of a text the grammar takes; undefined: all of it, and the end. */
async function refusedAt(grammars: Grammars, spec: ConstraintSpec, text: string) {
  const walk = await grammars.open(spec);
  try {
    const path = tokenizer.encode(text, { addSpecialTokens: false });
    const steps = [...await walk.steps([], 1), ...await walk.steps(path, path.length)];
    const taken = steps.length - 1;
    if (taken < path.length) return tokenizer.decode(path.slice(0, taken));
    const { mask } = steps.at(-1)!;
    const ends = !mask || ((mask[eos[0] >> 5] >>> (eos[0] & 31)) & 1) === 1;
    return ends ? undefined : `${text} (no end)`;
  } finally {
    walk.close();
  }
}

async function withGrammars(run: (grammars: Grammars) => Promise<void>): Promise<void> {
  const grammars = openGrammars({ tokenizer, eos, vocab: tokenizer.vocabSize });
  try {
    await run(grammars);
  } finally {
    grammars.close();
  }
}

const constraintFor = (
  name: string,
  use?: ToolUse,
  constraint?: ConstraintSpec,
  thinking?: Thinking,
) =>
  answerConstraint({
    format: TOOL_FORMATS.find((format) => format.name === name)!,
    use,
    constraint,
    thinking,
    check: (schema) => void grammarOf({ kind: "json_schema", schema }),
  })!;

for (const [name, family] of Object.entries(TOOL_FAMILIES)) {
  if (!TOOL_FORMATS.some((format) => format.name === name)) continue;
  Deno.test(`answerConstraint() takes the calls of ${name}, and refuses arguments that are not valid`, () =>
    withGrammars(async (grammars) => {
      const passes = async (spec: ConstraintSpec, text: string, yes: boolean) => {
        const at = await refusedAt(grammars, spec, text);
        assert.equal(
          at === undefined,
          yes,
          `${JSON.stringify(text)} stopped at ${JSON.stringify(at)}`,
        );
      };
      const { writes, parallel } = family;
      const { answers = (text: string, calls: string) => text + calls } = family;
      const auto = constraintFor(name, USE);
      await passes(auto, answers("It is warm.", ""), true);
      await passes(auto, writes([ROME]), true);
      if (name !== "llama3") await passes(auto, answers("Let me see.\n", writes([OSLO])), true);
      const wrong = { name: "get_weather", arguments: { days: 2 } };
      await passes(auto, writes([wrong]), false);
      await passes(auto, writes([{ ...ROME, name: "get_time" }]), false);
      await passes(auto, writes([ROME]).slice(0, -3), false);
      const required = constraintFor(name, { ...USE, choice: "required" });
      await passes(required, writes([ROME]), true);
      await passes(required, answers("It is warm.", ""), false);
      if (parallel) {
        await passes(auto, writes([ROME, OSLO]), true);
        await passes(required, writes([ROME, OSLO]), true);
        for (const choice of ["auto", "required"] as const) {
          const one = constraintFor(name, { ...USE, choice, parallel: false });
          await passes(one, writes([ROME]), true);
          await passes(one, writes([ROME, OSLO]), false);
        }
      }
      const named = constraintFor(name, { ...USE, choice: { name: "get_weather" } });
      await passes(named, writes([ROME]), true);
      await passes(named, writes([{ name: "now", arguments: {} }]), false);
    }));
}

Deno.test("answerConstraint() holds text to a schema behind thoughts, or wants calls instead of it", () =>
  withGrammars(async (grammars) => {
    const json: ConstraintSpec = { kind: "json_schema", schema: PARAMETERS };
    const marks = { open: "<think>", close: "</think>" };
    const call = TOOL_FAMILIES.hermes.writes([ROME]);
    const answer = '{"city": "Rome"}';
    const thought = 'I think {"x": <tool_call> and so.\n</think>\n\n';
    const cases: [ConstraintSpec, string, boolean][] = [];
    const add = (spec: ConstraintSpec, yes: string[], no: string[]) => {
      for (const text of yes) cases.push([spec, text, true]);
      for (const text of no) cases.push([spec, text, false]);
    };
    const open: Thinking = { marks, state: "open" };
    const maybe: Thinking = { marks, state: "maybe" };
    add(constraintFor("hermes", undefined, json, open), [thought + answer], [
      answer,
      `${thought}Yes`,
    ]);
    add(
      constraintFor("hermes", undefined, json, maybe),
      [`<think>${thought}${answer}`, answer],
      [`<think>${thought}Yes`, "Yes"],
    );
    add(constraintFor("hermes", USE, json), [answer, call], ["Yes", `${answer}${call}`]);
    add(constraintFor("hermes", USE, undefined, maybe), [
      `<think>${thought}Yes`,
      `<think>${thought}${call}`,
      `Yes ${call}`,
    ], [`<think>${thought}<tool_call>no`]);
    add(
      constraintFor("hermes", { ...USE, choice: "required" }, undefined, open),
      [`${thought}${call}`],
      [`${thought}Yes`, call],
    );
    for (const [spec, text, yes] of cases) {
      const at = await refusedAt(grammars, spec, text);
      assert.equal(
        at === undefined,
        yes,
        `${JSON.stringify(text)} stopped at ${JSON.stringify(at)}`,
      );
    }
  }));
