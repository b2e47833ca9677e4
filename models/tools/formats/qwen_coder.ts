/**
 * Qwen 3 Coder and Qwen 3.5:
 *
 *     <tool_call>
 *     <function=weather>
 *     <parameter=city>
 *     Rome
 *     </parameter>
 *     </function>
 *     </tool_call>
 *
 * and Seed, with `<seed:tool_call>` around it and no line breaks around values.
 *
 * @module
 */
import { openAiId, type ToolFormat } from "../format.ts";
import { Closed } from "../readers.ts";
import { ElementCall } from "../element_call.ts";
import { elementArguments } from "./element_arguments.ts";
import { CLOSE_CALL, hermes, OPEN_CALL } from "./hermes.ts";

const grammarOf =
  (open: string, close: string, around: string): ToolFormat["grammar"] => (functions) => ({
    triggers: [open],
    tags: functions.map((fn) => ({
      type: "tag",
      begin: `${open}\n<function=${fn.name}>\n`,
      content: elementArguments(fn, (key) => ({
        begin: `<parameter=${key}>${around}`,
        end: `${around}</parameter>\n`,
      })),
      end: `</function>\n${close}`,
    })),
    separator: "\n",
  });

/** Qwen. */
export const qwenCoder: ToolFormat = {
  ...hermes,
  name: "qwen_coder",
  grammar: grammarOf(OPEN_CALL, CLOSE_CALL, "\n"),
};

const [OPEN_SEED, CLOSE_SEED] = ["<seed:tool_call>", "</seed:tool_call>"];

/** Seed-OSS. */
export const seed: ToolFormat = {
  name: "seed",
  markers: [{ text: OPEN_SEED }],
  marks: OPEN_SEED + CLOSE_SEED,
  reader: (sink, functions) => new Closed(new ElementCall(sink, functions), CLOSE_SEED),
  grammar: grammarOf(OPEN_SEED, CLOSE_SEED, ""),
  callId: openAiId,
};
