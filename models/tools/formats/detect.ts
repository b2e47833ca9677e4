/**
 * Which way to write calls a model knows.
 *
 * @module
 */
import type { ToolFormat } from "../format.ts";
import { deepseek, deepseek31 } from "./deepseek.ts";
import { deepseek32, deepseek4 } from "./dsml.ts";
import { functionGemma, gemma } from "./gemma.ts";
import { generic } from "./generic.ts";
import { glm, laguna } from "./glm.ts";
import { harmony } from "./harmony.ts";
import { hermes } from "./hermes.ts";
import { kimi } from "./kimi.ts";
import { apriel, cohere, cohereAction, granite, minimax } from "./listed.ts";
import { llama3 } from "./llama3.ts";
import { mistralArgs, mistralList } from "./mistral.ts";
import { phi4 } from "./phi4.ts";
import { qwenCoder, seed } from "./qwen_coder.ts";

/** All ways. */
export const TOOL_FORMATS: readonly ToolFormat[] = [
  hermes,
  qwenCoder,
  llama3,
  mistralList,
  mistralArgs,
  phi4,
  deepseek,
  deepseek31,
  deepseek32,
  deepseek4,
  gemma,
  functionGemma,
  glm,
  laguna,
  kimi,
  harmony,
  seed,
  apriel,
  minimax,
  granite,
  cohere,
  cohereAction,
  generic,
];

/** What a template writes of a call, `NAME` being the function's. */
const WRITTEN: [pattern: string, format: ToolFormat][] = [
  ['<tool_call>\\s*\\{"name":\\s*"NAME",\\s*"arguments":', hermes],
  ["<tool_call>\\s*<function=NAME>\\s*<parameter=", qwenCoder],
  ["\\[TOOL_CALLS\\]\\s*NAME(\\[CALL_ID\\]\\w+)?\\[ARGS\\]", mistralArgs],
  ['\\[TOOL_CALLS\\]\\s*\\[\\s*\\{"name":\\s*"NAME"', mistralList],
  ["<｜tool▁call▁begin｜>\\s*function\\s*<｜tool▁sep｜>NAME", deepseek],
  ["<｜tool▁call▁begin｜>\\s*NAME<｜tool▁sep｜>", deepseek31],
  ['functools\\[\\s*\\{"name":\\s*"NAME"', phi4],
  ['<\\|tool_call\\|>\\s*\\[\\s*\\{"name":\\s*"NAME",\\s*"arguments":', phi4],
  ['<｜DSML｜function_calls>\\s*<｜DSML｜invoke name="NAME">', deepseek32],
  ['<｜DSML｜tool_calls>\\s*<｜DSML｜invoke name="NAME">', deepseek4],
  ["<\\|tool_call>call:NAME\\{", gemma],
  ["<start_function_call>call:NAME\\{", functionGemma],
  ["<tool_call>\\s*NAME\\n\\s*<arg_key>", glm],
  ["<tool_call>\\s*NAME<arg_key>", laguna],
  ["<\\|tool_call_begin\\|>[^<]*NAME[^<]*<\\|tool_call_argument_begin\\|>", kimi],
  // Its template names a call by its id, which is what the model writes.
  ["<\\|tool_call_begin\\|>\\s*probe1234\\s*<\\|tool_call_argument_begin\\|>", kimi],
  ["to=functions\\.NAME", harmony],
  ["<seed:tool_call>\\s*<function=NAME>", seed],
  ['<tool_calls>\\s*\\[\\s*\\{"name":\\s*"NAME",\\s*"arguments":', apriel],
  ['<tool_calls>\\s*\\{"name":\\s*"NAME",\\s*"arguments":', minimax],
  ['<\\|START_ACTION\\|>[^]{0,80}"tool_name":\\s*"NAME"', cohere],
  ['Action:\\s*```json[^]{0,40}"tool_name":\\s*"NAME"', cohereAction],
  ['\\{"name":\\s*"NAME",\\s*"parameters":', llama3],
];

/** The format of a rendered conversation with a call of `name`; undefined: it is none of these. */
export function formatOfCalls(rendered: string, name: string): ToolFormat | undefined {
  return WRITTEN.find(([pattern]) => new RegExp(pattern.replaceAll("NAME", name)).test(rendered))
    ?.[1];
}

/**
 * The format of models whose template writes no calls, but has texts that only they have; undefined:
 * it has none.
 */
export function formatByTexts(template: string): ToolFormat | undefined {
  if (template.includes("<|start_of_role|>") && template.includes("<|tool_call|>")) return granite;
  if (template.includes("<|tool|>") && template.includes("<|/tool|>")) return phi4;
  if (!template.includes("<｜tool▁calls▁begin｜>")) return undefined;
  return template.includes("```json") ? deepseek : deepseek31;
}
