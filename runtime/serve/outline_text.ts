/**
 * The prompts of an answer by outline: a conversation's question, put into the templates of
 * outlines and written by the model's chat template.
 *
 * @module
 */
import {
  fill,
  type OutlineAnswer,
  type OutlineRouter,
  type OutlineTemplates,
  type OutlineText,
  parseOutline,
  type Route,
  routeBy,
} from "../../actors/mod.ts";
import type { MarkedPrompt } from "../../models/mod.ts";
import type { ApiMessage } from "../api/mod.ts";

/** What outline prompts need of a model. */
export interface OutlineModel {
  /** The conversation as the model's chat template writes it, with what opens the answer. */
  render(messages: ApiMessage[]): MarkedPrompt;
  /** Token ids of rendered text. */
  encode(prompt: MarkedPrompt): Int32Array<ArrayBuffer>;
  /** Texts that ask for an outline, and for one point of it. */
  templates: OutlineTemplates;
  /** What the served model says of the question. @default it was not asked */
  said?: Route;
  /** Which questions suit an outline, as the graph says. @default the built-in rules */
  router?: OutlineRouter;
}

/** See the module's text. */
export class ModelOutlineText implements OutlineText {
  readonly route: { suited: boolean; why: string };
  readonly #model: OutlineModel;
  readonly #messages: ApiMessage[];
  /** The user's question: content of the last message. */
  readonly #question: string;
  /** The prompt of the outline; undefined until it is first needed. */
  #prompt?: { text: string; tokens: Int32Array<ArrayBuffer> };

  /** `messages` must end with the user's question; see {@linkcode outlineTextOf}. */
  constructor(model: OutlineModel, messages: ApiMessage[]) {
    this.#model = model;
    this.#question = messages.at(-1)!.content;
    this.#messages = [
      ...messages.slice(0, -1),
      { ...messages.at(-1)!, content: fill(model.templates.outline, { question: this.#question }) },
    ];
    const { outline, why } = model.said ?? routeBy(model.router ?? true, this.#question);
    this.route = { suited: outline, why };
  }

  outlinePrompt(): Int32Array<ArrayBuffer> {
    return this.#outlinePrompt().tokens;
  }

  parse(text: string): { points: string[] } | { malformed: string } {
    const parsed = parseOutline(text);
    if (parsed.state === "malformed") return { malformed: parsed.why };
    return { points: parsed.points.map((point) => point.text) };
  }

  write(points: readonly string[]): OutlineAnswer {
    const text = points.map((point, k) => `${k + 1}. ${point}`).join("\n");
    const tokens = this.#model.encode({ text, marks: "1".repeat(text.length) });
    return { tokens: Array.from(tokens), text, points };
  }

  branchPrompt({ tokens, text, points }: OutlineAnswer, index: number): Int32Array<ArrayBuffer> {
    const prompt = this.#outlinePrompt();
    const content = fill(this.#model.templates.point, {
      question: this.#question,
      outline: text,
      index: index + 1,
      point: points[index],
      points: points.length,
    });
    const whole = this.#model.render([
      ...this.#messages,
      { role: "assistant", content: text },
      { role: "user", content },
    ]);
    // The tokens that were generated, not those that the tokenizer would make of the outline's text:
    // their rows are in the KV cache.
    const before = prompt.text + text;
    if (!whole.text.startsWith(before)) return this.#model.encode(whole);
    const rest = {
      text: whole.text.slice(before.length),
      marks: whole.marks.slice(before.length),
    };
    return Int32Array.of(...prompt.tokens, ...tokens, ...this.#model.encode(rest));
  }

  heading(points: readonly string[], index: number): string {
    return `${index + 1}. ${points[index]}: `;
  }

  #outlinePrompt(): { text: string; tokens: Int32Array<ArrayBuffer> } {
    if (!this.#prompt) {
      const rendered = this.#model.render(this.#messages);
      this.#prompt = { text: rendered.text, tokens: this.#model.encode(rendered) };
    }
    return this.#prompt;
  }
}

/** The outline prompts of a conversation; undefined where it does not end with a question. */
export function outlineTextOf(
  model: OutlineModel,
  messages: ApiMessage[],
): OutlineText | undefined {
  const last = messages.at(-1);
  return last?.role === "user" && last.content.trim() !== ""
    ? new ModelOutlineText(model, messages)
    : undefined;
}
