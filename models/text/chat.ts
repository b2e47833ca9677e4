/**
 * Chat templates: turn messages into the form of prompt that a model was trained on.
 *
 * @module
 */
import { join } from "node:path";
import { modelError, reasonOf } from "../errors.ts";
import { readIfThere } from "../files.ts";
import {
  Dict,
  fromJson,
  globals,
  type JinjaValue,
  marksOf,
  parseTemplate,
  rawText,
  runTemplate,
  type Template,
  TemplateError,
} from "./jinja/mod.ts";
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

/** A prompt that a template has written. */
export interface MarkedPrompt {
  /** The prompt. */
  text: string;
  /** One character for each of `text`: `1` if it came from the request, `0` from the template. */
  marks: string;
}

/** Options of {@linkcode ChatTemplate.render}. */
export interface RenderOptions {
  /** Whether to end the prompt with the text that begins the assistant's answer. @default true */
  addGenerationPrompt?: boolean;
  /**
   * Whether to end the prompt with the last message's text, so that the answer goes on with it, as
   * transformers' `continue_final_message` does. There is no generation prompt then. @default false
   */
  continueFinalMessage?: boolean;
  /** Tool descriptions for templates that take them. @default none: the template sees null */
  tools?: readonly unknown[];
  /** Documents for templates that take them. @default none: the template sees null */
  documents?: readonly unknown[];
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
  /** Every template of the model, one after the other. */
  readonly source: string;
  readonly #sources: ReadonlyMap<string, string>;
  readonly #tokens: Record<string, string>;
  readonly #parsed = new Map<string, Template>();

  private constructor(sources: ReadonlyMap<string, string>, config: TokenizerConfig) {
    this.own = sources.size > 0;
    this.#sources = this.own ? sources : new Map([["default", PLAIN_TEMPLATE]]);
    this.source = [...this.#sources.values()].join("\n");
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
   * Parses every template. Throws OrreryError `model/chat_template_malformed` for one that is no
   * Jinja that is known here.
   */
  check(): void {
    for (const name of this.#sources.keys()) {
      try {
        this.#template(name);
      } catch (error) {
        throw modelError(
          "chat_template_malformed",
          `the model's chat template (${name}) cannot be read: ${reasonOf(error)}`,
          { template: name },
          error,
        );
      }
    }
  }

  /**
   * The prompt as text. Throws OrreryError `model/chat_template_failed` with the template's own words
   * when it refuses the messages (`raise_exception`) or cannot be run.
   */
  render(messages: readonly ChatMessage[], options: RenderOptions = {}): string {
    return this.renderMarked(messages, options).text;
  }

  /**
   * The prompt, and which of its characters are the template's own; encode it with
   * `Tokenizer.encodeMarked`. Throws as {@linkcode render}.
   */
  renderMarked(messages: readonly ChatMessage[], options: RenderOptions = {}): MarkedPrompt {
    const { tools, documents, variables, now = new Date(), continueFinalMessage = false } = options;
    const addGenerationPrompt = (options.addGenerationPrompt ?? true) && !continueFinalMessage;
    try {
      const program = this.#template(
        tools !== undefined && this.#sources.has("tool_use") ? "tool_use" : "default",
      );
      const names = new Map<string, JinjaValue>([
        ...Object.entries(variables ?? {}).map(([k, v]): [string, JinjaValue] => [k, fromJson(v)]),
        ...globals((format) => strftime(now, format)),
        ...Object.entries(this.#tokens),
        ["messages", messages.map(messageValue)],
        ["tools", fromJson(tools ?? null)],
        ["documents", fromJson(documents ?? null)],
        ["add_generation_prompt", addGenerationPrompt],
      ]);
      const text = runTemplate(program, names);
      const prompt = { text: rawText(text), marks: marksOf(text) };
      return continueFinalMessage ? untilFinalMessage(prompt, messages) : prompt;
    } catch (error) {
      if (!(error instanceof TemplateError || error instanceof SyntaxError)) throw error;
      throw modelError(
        "chat_template_failed",
        `the model's chat template refused the messages: ${reasonOf(error)}`,
        { reason: reasonOf(error), roles: messages.map(({ role }) => role) },
        error,
      );
    }
  }

  #template(name: string): Template {
    let program = this.#parsed.get(name);
    if (!program) {
      const source = this.#sources.get(name) ?? [...this.#sources.values()][0];
      program = parseTemplate(source);
      this.#parsed.set(name, program);
    }
    return program;
  }
}

/** The prompt up to the end of the last message's text, spaces at its end as the template has them. */
function untilFinalMessage(prompt: MarkedPrompt, messages: readonly ChatMessage[]): MarkedPrompt {
  const content = messages.at(-1)?.content;
  const said = typeof content === "string" ? content.trim() : "";
  const at = said === "" ? -1 : prompt.text.lastIndexOf(said);
  if (at < 0) {
    throw new TemplateError(
      "the last message cannot be continued, as the template does not write its text as it is",
    );
  }
  const whole = (content as string).trimStart();
  const end = at + (prompt.text.startsWith(whole, at) ? whole.length : said.length);
  return { text: prompt.text.slice(0, end), marks: prompt.marks.slice(0, end) };
}

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

/** Roles that templates write into special tokens, such as `<|{{ message.role }}|>`. */
const ROLES = ["system", "developer", "user", "assistant", "tool", "function", "ipython", "model"];

/**
 * A message as a value. Its texts are the request's, where no special token is looked for; the name
 * of a role that is known is as good as the template's own text.
 */
function messageValue(message: ChatMessage): JinjaValue {
  const value = fromJson(message);
  if (value instanceof Dict && ROLES.includes(message.role)) value.set("role", message.role);
  return value;
}
