/**
 * What a scripted family of models is, and the parts of its template.
 *
 * @module
 */

/** A call that a scripted model makes. */
export interface ScriptedCall {
  name: string;
  arguments: Record<string, unknown>;
}

/** How a family writes. */
export interface ToolFamily {
  /** Its chat template. */
  template: string;
  /** What that writes at the end of a prompt. @default nothing */
  opens?: string;
  /** Its special tokens. @default none */
  specials?: readonly string[];
  /** The calls, as the model writes them. */
  writes(calls: readonly ScriptedCall[]): string;
  /** An answer of text and calls. @default thoughts, the text, the calls */
  answers?(text: string, calls: string): string;
  /** Whether it may write several calls. */
  parallel: boolean;
  /** Whether it thinks first, and whether its template opens the thoughts. */
  thinks?: "open" | "maybe";
}

/** Functions the template tells of, messages with calls as `call` prints them, and the open turn. */
export const templateOf = (call: string, { tools = true, think = "" } = {}) =>
  (tools ? "{% if tools %}<|system|>{{ tools | tojson }}<|end|>{% endif %}" : "") +
  "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% for c in m.tool_calls or [] %}" +
  `${call}{% endfor %}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>${think}{% endif %}`;
/** A call's arguments, in a template. */
export const ARGS = "{{ c.function.arguments | tojson }}";
/** A call's name, in a template. */
export const NAME = "{{ c.function.name }}";

/** A call as JSON. */
export const json = ({ name, arguments: args }: ScriptedCall, key = "arguments") =>
  `{"name": "${name}", "${key}": ${JSON.stringify(args)}}`;
