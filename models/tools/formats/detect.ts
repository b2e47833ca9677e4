/**
 * Which way to write calls a model knows.
 *
 * @module
 */
import type { ToolFormat } from "../format.ts";
import { deepseek, deepseek31 } from "./deepseek.ts";
import { generic } from "./generic.ts";
import { hermes } from "./hermes.ts";
import { llama3 } from "./llama3.ts";
import { mistralArgs, mistralList } from "./mistral.ts";
import { phi4 } from "./phi4.ts";
import { qwenCoder } from "./qwen_coder.ts";

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
  if (template.includes("<|tool|>") && template.includes("<|/tool|>")) return phi4;
  if (!template.includes("<｜tool▁calls▁begin｜>")) return undefined;
  return template.includes("```json") ? deepseek : deepseek31;
}
