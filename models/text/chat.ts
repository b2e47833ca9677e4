/**
 * Chat templates: turn messages into the form of prompt that a model was trained on.
 *
 * @module
 */
import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
import { join } from "node:path";
import { modelError, reasonOf } from "../errors.ts";
import { readIfThere } from "../files.ts";
import { readTokenizerConfig, type TokenizerConfig, tokenizerConfigSchema } from "./tokenizer.ts";

/** A message of a conversation. */
export interface ChatMessage {
  /** Who speaks: `system`, `user`, `assistant`, `tool`, or another role that the template knows. */
  role: string;
  /** Text, or parts in the form that the template takes; null beside `tool_calls`. */
  content: string | null | unknown[];
  /** Further fields, such as `tool_calls`, reach the template unchanged. */
  [field: string]: unknown;
}

/** Options of {@linkcode ChatTemplate.render}. */
export interface RenderOptions {
  /** Whether to end the prompt with the text that begins the assistant's answer. @default true */
  addGenerationPrompt?: boolean;
  /** Tool descriptions for templates that take them. */
  tools?: unknown[];
  /** Further variables, e.g. `enable_thinking`. */
  variables?: Record<string, unknown>;
  /** Time that `strftime_now` formats. @default now */
  now?: Date;
}

/**
 * What a model without a template gets: each message as `Role: content` with an empty line between,
 * then `Assistant:`.
 *
 *     System: Be brief
 *
 *     User: What is a comet?
 *
 *     Assistant:
 */
export const PLAIN_TEMPLATE =
  "{% for m in messages %}{{ m['role'] | capitalize }}: {{ m['content'] }}\n\n{% endfor %}" +
  "{% if add_generation_prompt %}Assistant:{% endif %}";

/** A model's chat template. */
export class ChatTemplate {
  /** Whether the model has a template; false: {@linkcode PLAIN_TEMPLATE} is used. */
  readonly own: boolean;
  readonly #sources: ReadonlyMap<string, string>;
  readonly #tokens: Record<string, string>;
  readonly #parsed = new Map<string, Program>();

  private constructor(sources: ReadonlyMap<string, string>, config: TokenizerConfig) {
    this.own = sources.size > 0;
    this.#sources = this.own ? sources : new Map([["default", PLAIN_TEMPLATE]]);
    this.#tokens = {};
    for (const name of ["bos_token", "eos_token", "unk_token", "pad_token"] as const) {
      const token = config[name];
      if (token !== null && token !== undefined) this.#tokens[name] = token;
    }
  }

  /**
   * Makes a template from the contents of tokenizer_config.json. `file` is the text of
   * chat_template.jinja, if there is one; it takes precedence. Throws OrreryError
   * `model/tokenizer_malformed`.
   */
  static fromConfig(config: unknown, file?: string): ChatTemplate {
    const parsed = tokenizerConfigSchema.safeParse(config);
    if (!parsed.success) {
      const { path, message } = parsed.error.issues[0];
      throw modelError(
        "tokenizer_malformed",
        `tokenizer_config.json: ${path.join(".") || "its top"}: ${message}`,
      );
    }
    const stated = parsed.data.chat_template ?? [];
    const sources = new Map(
      typeof stated === "string"
        ? [["default", stated]]
        : stated.map(({ name, template }): [string, string] => [name, template]),
    );
    if (file !== undefined) sources.set("default", file);
    return new ChatTemplate(sources, parsed.data);
  }

  /** Reads the template of a model folder. */
  static async load(folder: string): Promise<ChatTemplate> {
    const bytes = await readIfThere(join(folder, "chat_template.jinja"));
    const file = bytes && new TextDecoder().decode(bytes);
    return ChatTemplate.fromConfig(await readTokenizerConfig(folder), file);
  }

  /**
   * The prompt as text; encode it with `addSpecialTokens: false`. Throws OrreryError
   * `model/chat_template_failed` with the template's own words when it refuses the messages
   * (`raise_exception`) or cannot be run.
   */
  render(messages: readonly ChatMessage[], options: RenderOptions = {}): string {
    const { addGenerationPrompt = true, tools, variables, now = new Date() } = options;
    try {
      const program = this.#template(
        tools !== undefined && this.#sources.has("tool_use") ? "tool_use" : "default",
      );
      const environment = new Environment();
      const values = {
        ...variables,
        ...GLOBALS,
        ...this.#tokens,
        messages,
        add_generation_prompt: addGenerationPrompt,
        ...(tools === undefined ? {} : { tools }),
        strftime_now: (format: string) => strftime(now, format),
      };
      for (const [name, value] of Object.entries(values)) environment.set(name, value);
      return (new Interpreter(environment).run(program) as { value: string }).value;
    } catch (error) {
      throw modelError(
        "chat_template_failed",
        `the model's chat template refused the messages: ${reasonOf(error)}`,
        { reason: reasonOf(error), roles: messages.map(({ role }) => role) },
        error,
      );
    }
  }

  #template(name: string): Program {
    let program = this.#parsed.get(name);
    if (!program) {
      const source = this.#sources.get(name) ?? [...this.#sources.values()][0];
      program = parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
      this.#parsed.set(name, program);
    }
    return program;
  }
}

type Program = ReturnType<typeof parse>;

/** Names that transformers defines for every template. */
const GLOBALS = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
  raise_exception: (message: string) => {
    throw new Error(message);
  },
  range: (start: number, stop?: number, step = 1) => {
    const [from, to] = stop === undefined ? [0, start] : [start, stop];
    return Array.from(
      { length: Math.max(0, Math.ceil((to - from) / step)) },
      (_, i) => from + i * step,
    );
  },
};

const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/**
 * Formats a date as Python's `strftime` does, as far as templates use it: in local time, in English
 * whatever the machine's locale (Python's C locale).
 */
function strftime(date: Date, format: string): string {
  const two = (n: number) => String(n).padStart(2, "0");
  const fields: Record<string, string> = {
    Y: String(date.getFullYear()),
    m: two(date.getMonth() + 1),
    d: two(date.getDate()),
    b: MONTHS[date.getMonth()].slice(0, 3),
    B: MONTHS[date.getMonth()],
    a: DAYS[date.getDay()].slice(0, 3),
    A: DAYS[date.getDay()],
    H: two(date.getHours()),
    M: two(date.getMinutes()),
    S: two(date.getSeconds()),
    "%": "%",
  };
  return format.replace(/%([YmdbBaAHMS%])/g, (_, letter) => fields[letter]);
}
