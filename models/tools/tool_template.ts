/**
 * What a model's chat template does with functions, found out by rendering a conversation that uses
 * one; and conversations in the form that this template takes.
 *
 * @module
 */
import { OrreryError } from "../../actors/system/errors.ts";
import type { ChatMessage, ChatTemplate } from "../text/mod.ts";
import { callText } from "./call_text.ts";
import { formatByTexts, formatOfCalls, generic } from "./formats/mod.ts";
import type { ToolFormat } from "./format.ts";

const FUNCTION = "probe_function";
const TOOL = {
  type: "function",
  function: {
    name: FUNCTION,
    description: "probe_description",
    parameters: {
      type: "object",
      properties: { probe_key: { type: "string", description: "a key" } },
      required: ["probe_key"],
    },
  },
};
const ARGUMENTS = { probe_key: "probe_value" };
/** The argument, in any family's own way. */
const WRITTEN_ARGUMENTS =
  /\bprobe_key(?:"\s*:\s*"|>\s*|<\/arg_key>\s*<arg_value>|:<\|"\|>|:<escape>|" string="true">)probe_value/;
const ID = "probe1234"; // of the length that Mistral's templates want
const USER = { role: "user", content: "probe_question" };

/** A conversation as a template takes it. */
export interface TemplateInput {
  /** The messages. */
  messages: ChatMessage[];
  /** The template's variable `tools`; undefined: it gets none. */
  tools?: readonly unknown[];
}

/** A call within an assistant's message; `arguments` is JSON text. */
interface GivenCall {
  id?: unknown;
  function: { name: string; arguments: unknown };
}

/** See the module's text. */
export class ToolTemplate {
  /** How the model writes calls. */
  readonly format: ToolFormat;
  /** Where it is told of functions: by its template's `tools`, or by the system message. */
  readonly describes: "template" | "system field" | "system text";
  /** How the template takes the arguments of calls in a conversation; `no`: it shows no calls. */
  readonly calls: "object" | "text" | "no";
  /** Whether the template takes system messages. */
  readonly system: boolean;
  /** Whether the template takes thoughts as `thinking`. */
  readonly #thinking: boolean;

  /** Looks at a template. */
  constructor(template: ChatTemplate) {
    const shows = (messages: ChatMessage[], tools?: unknown[]): string => {
      try {
        return template.render(messages, { tools });
      } catch (error) {
        if (error instanceof OrreryError && error.code === "chat_template_failed") return "";
        throw error;
      }
    };
    const asked = (args: unknown) => shows(conversation(args), [TOOL]);
    const [object, text] = [asked(ARGUMENTS), asked(JSON.stringify(ARGUMENTS))];
    const written = (rendered: string) =>
      rendered.includes("probe_result") &&
      WRITTEN_ARGUMENTS.test(rendered);
    this.calls = written(object) ? "object" : written(text) ? "text" : "no";
    const rendered = this.calls === "object" ? object : this.calls === "text" ? text : "";
    const format = formatOfCalls(rendered, FUNCTION) ?? formatByTexts(template.source);
    const told = shows([USER], [TOOL]).includes("probe_description");
    this.system = shows([{ role: "system", content: "probe_system" }, USER])
      .includes("probe_system");
    const field = [{ role: "system", content: "s", tools: "probe_description" }, USER];
    // A template that tells of functions in order to get calls that are not read here is not asked to.
    this.format = format ?? generic;
    this.describes = format && told
      ? "template"
      : shows(field).includes("probe_description")
      ? "system field"
      : "system text";
    if (!format) this.calls = "no";
    this.#thinking = this.format.channels !== undefined;
  }

  /** The conversation as the template takes it; `tools` are the functions, in OpenAI's form. */
  input(given: readonly ChatMessage[], tools: readonly unknown[] | undefined): TemplateInput {
    const messages = this.#thinking ? oneCallEach(given) : given;
    const names = new Map<unknown, string>();
    const each = messages.map((message) => this.#message(message, names));
    const known = this.calls === "no" ? joinUsers(each, messages) : each;
    if (!tools || tools.length === 0) return { messages: known };
    switch (this.describes) {
      case "template":
        return { messages: known, tools };
      case "system field":
        return { messages: withSystemField(known, JSON.stringify(tools)) };
      case "system text":
        return { messages: this.#withSystemText(known, this.#systemText(tools)) };
    }
  }

  #message(message: ChatMessage, names: Map<unknown, string>): ChatMessage {
    const given = message.tool_calls as GivenCall[] | undefined;
    if (message.role === "assistant" && given && given.length > 0) {
      for (const call of given) names.set(call.id, call.function.name);
      if (this.calls === "no") {
        const { tool_calls: _calls, ...rest } = message;
        const calls = given.map(({ function: fn }) => ({
          name: fn.name,
          arguments: typeof fn.arguments === "string" ? fn.arguments : JSON.stringify(fn.arguments),
        }));
        const texts = [contentOf(message), callText(this.format, calls)];
        return { ...rest, content: texts.filter((text) => text !== "").join("\n") };
      }
      const { reasoning_content: thought } = message;
      // Text and thoughts before one call are refused by such a template: it takes the text.
      const thinks = this.#thinking && Boolean(thought) && contentOf(message) === "";
      return {
        ...message,
        content: message.content ?? "",
        ...(thinks && { thinking: thought }),
        tool_calls: given.map(this.#call),
      };
    }
    if (message.role !== "tool") return message;
    if (this.calls === "no") {
      const content = `<tool_response>\n${contentOf(message)}\n</tool_response>`;
      return { role: "user", content };
    }
    const name = message.name ?? names.get(message.tool_call_id);
    return {
      ...message,
      ...(name !== undefined && { name }),
      ...(message.tool_call_id !== undefined && { tool_call_id: this.#id(message.tool_call_id) }),
    };
  }

  /** A call with its arguments and its id as the template wants them. */
  readonly #call = (call: GivenCall): unknown => {
    const { name, arguments: args } = call.function;
    const wanted = this.calls === "object" ? asObject(args) : args;
    return {
      type: "function",
      ...(call.id !== undefined && { id: this.#id(call.id) }),
      function: { name, arguments: wanted },
    };
  };

  /** The id, or one made of it that the template takes. */
  #id(id: unknown): unknown {
    if (typeof id !== "string" || (this.format.takesId?.(id) ?? true)) return id;
    // FNV-1a, 64 bits: the same id each time, so that calls and results go on belonging together.
    let hash = 0xcbf29ce484222325n;
    for (const byte of new TextEncoder().encode(id)) {
      hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
    }
    return hash.toString(36).padStart(9, "0").slice(-9);
  }

  #withSystemText(messages: ChatMessage[], text: string): ChatMessage[] {
    const [first, ...rest] = messages;
    if (first?.role === "system") {
      return [{ ...first, content: `${contentOf(first)}\n\n${text}` }, ...rest];
    }
    if (this.system) return [{ role: "system", content: text }, ...messages];
    const at = messages.findIndex(({ role }) => role === "user");
    if (at < 0) return [{ role: "user", content: text }, ...messages];
    return messages.map((message, i) =>
      i === at ? { ...message, content: `${text}\n\n${contentOf(message)}` } : message
    );
  }

  #systemText(tools: readonly unknown[]): string {
    const lines = tools.map((tool) => JSON.stringify(tool)).join("\n");
    const example = callText(this.format, [{ name: "FUNCTION", arguments: "{ARGUMENTS}" }]);
    return "# Tools\n\nYou may call one or more of these functions, one JSON description a line:\n" +
      `<tools>\n${lines}\n</tools>\n\n` +
      "To call one, write its name and its arguments, a JSON object, exactly in this form:\n" +
      `${example}\n` +
      "What a call gives comes between <tool_response> and </tool_response>.";
  }
}

/** A conversation with a call and its result. */
function conversation(args: unknown): ChatMessage[] {
  const call = { type: "function", id: ID, function: { name: FUNCTION, arguments: args } };
  return [
    USER,
    { role: "assistant", content: "", tool_calls: [call] },
    { role: "tool", tool_call_id: ID, name: FUNCTION, content: "probe_result" },
    { role: "assistant", content: "probe_answer" },
    USER,
  ];
}

/** Messages with several calls as one for each, with its result behind it. */
function oneCallEach(messages: readonly ChatMessage[]): ChatMessage[] {
  const moved = new Set<ChatMessage>();
  return messages.flatMap((message, at) => {
    const calls = message.tool_calls as GivenCall[] | undefined;
    if (moved.has(message)) return [];
    if (message.role !== "assistant" || !calls || calls.length < 2) return [message];
    return calls.flatMap((call, i) => {
      const result = messages.slice(at + 1).find(({ role, tool_call_id }) =>
        role === "tool" && tool_call_id === call.id
      );
      if (result) moved.add(result);
      const own = i === 0 ? message : { role: "assistant", content: "" };
      return [{ ...own, tool_calls: [call] }, ...(result ? [result] : [])];
    });
  });
}

/** Results of several calls, which have become messages of the user, as one: turns must alternate. */
function joinUsers(each: ChatMessage[], given: readonly ChatMessage[]): ChatMessage[] {
  const joined: ChatMessage[] = [];
  for (const [i, message] of each.entries()) {
    const before = joined.at(-1);
    const result = given[i].role === "tool" || given[i - 1]?.role === "tool";
    if (result && message.role === "user" && before?.role === "user") {
      joined.pop();
      joined.push({ ...before, content: `${contentOf(before)}\n${contentOf(message)}` });
    } else joined.push(message);
  }
  return joined;
}

function withSystemField(messages: ChatMessage[], tools: string): ChatMessage[] {
  const [first, ...rest] = messages;
  return first?.role === "system"
    ? [{ ...first, tools }, ...rest]
    : [{ role: "system", content: "", tools }, ...messages];
}

const contentOf = ({ content }: ChatMessage) => typeof content === "string" ? content : "";

/** JSON text of an object as that object; all else as it is. */
function asObject(args: unknown): unknown {
  if (typeof args !== "string") return args;
  try {
    const value = JSON.parse(args === "" ? "{}" : args);
    return typeof value === "object" && value !== null ? value : args;
  } catch {
    return args;
  }
}
