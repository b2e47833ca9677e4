/**
 * A model as the gateway serves it: its card and defaults, its tokenizer and its chat template.
 *
 * @module
 */
import {
  CHAT_TEMPLATES,
  EMBEDDED_TEMPLATES,
  type MakeCodec,
  type OutlineText,
  type RequestPolicy,
  type Sampling,
} from "../../actors/mod.ts";
import {
  type ChatTemplate,
  type MarkedPrompt,
  StopMatcher,
  type StoredModel,
  TextStream,
  type Tokenizer,
} from "../../models/mod.ts";
import type { GenerateRequest, ModelCard } from "../api/mod.ts";
import { outlineTextOf } from "./outline_text.ts";

/** The embedded model's names, one for each precision: it was trained on its own outline forms. */
const EMBEDDED = /^embedded(-|$)/;

/** See the module's text. */
export class ServedModel {
  /** What clients are told of the model. */
  readonly card: ModelCard;
  /** Token ids that end an answer. */
  readonly eos: number[];
  /** Defaults of generation_config.json for requests that leave them out. */
  readonly defaults: { sampling: Partial<Sampling>; maxTokens?: number };
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate;

  private constructor(
    card: ModelCard,
    eos: number[],
    defaults: { sampling: Partial<Sampling>; maxTokens?: number },
    tokenizer: Tokenizer,
    template: ChatTemplate,
  ) {
    this.card = card;
    this.eos = eos;
    this.defaults = defaults;
    this.#tokenizer = tokenizer;
    this.#template = template;
  }

  /** Opens a stored model's text files. Throws group `model`, what the store throws. */
  static async open(stored: StoredModel): Promise<ServedModel> {
    const { geometry, name, precision } = stored.manifest;
    const d = await stored.generationDefaults();
    const sampling: Partial<Sampling> = d.sample === false ? { temperature: 0 } : defined({
      temperature: d.temperature ?? (d.sample ? 1 : undefined),
      top_k: d.topK,
      top_p: d.topP,
      min_p: d.minP,
    });
    if (d.repetitionPenalty !== undefined) sampling.repetition_penalty = d.repetitionPenalty;
    const manifestInfo = await Deno.stat(stored.dir);
    return new ServedModel(
      {
        name,
        created: Math.floor((manifestInfo.mtime?.getTime() ?? 0) / 1000),
        context: geometry.context,
        vocab: geometry.vocab,
        precision,
      },
      d.eosTokens,
      { sampling, maxTokens: d.maxNewTokens },
      await stored.tokenizer(),
      await stored.chatTemplate(),
    );
  }

  /** Token ids of a prompt. Throws group `model`, code `chat_template_failed`. */
  encode(prompt: GenerateRequest["prompt"]): Int32Array<ArrayBuffer> {
    switch (prompt.kind) {
      case "tokens":
        return Int32Array.from(prompt.tokens);
      case "text":
        return Int32Array.from(this.#tokenizer.encode(prompt.text));
      case "chat": {
        const { messages, tools, documents, templateVariables: variables } = prompt;
        return this.#encodeMarked(
          this.#template.renderMarked(messages, { tools, documents, variables }),
        );
      }
    }
  }

  /**
   * Token ids of what the template has written, special tokens included: the tokenizer would add a
   * second BOS.
   */
  #encodeMarked(prompt: MarkedPrompt): Int32Array<ArrayBuffer> {
    const { source } = this.#template;
    return Int32Array.from(this.#tokenizer.encodeMarked(prompt, { template: source }));
  }

  /** Token ids of a text within a conversation: no special tokens are added. */
  encodeText(text: string): Int32Array<ArrayBuffer> {
    return Int32Array.from(this.#tokenizer.encode(text, { addSpecialTokens: false }));
  }

  /**
   * The prompts for an answer by outline, with the graph's templates and router if it has them;
   * undefined where the prompt is no conversation that ends with a question.
   */
  outlineText(
    prompt: GenerateRequest["prompt"],
    { templates, router }: Pick<RequestPolicy, "templates" | "router"> = {},
  ): OutlineText | undefined {
    if (prompt.kind !== "chat") return undefined;
    return outlineTextOf({
      render: (messages) => this.#template.renderMarked(messages),
      encode: (text) => this.#encodeMarked(text),
      templates: templates ?? (EMBEDDED.test(this.card.name) ? EMBEDDED_TEMPLATES : CHAT_TEMPLATES),
      router,
    }, prompt.messages);
  }

  /** Resource `codec` of generation actors. */
  readonly makeCodec: MakeCodec = (stops) => {
    const stream = new TextStream(this.#tokenizer);
    const matcher = new StopMatcher(stops);
    return {
      push: (token) => {
        const { text, stop } = matcher.push(stream.push(token));
        return { text, stopped: stop !== undefined };
      },
      tokenText: (token) => this.#tokenizer.tokenText(token),
      flush: () => {
        const { text, stop } = matcher.push(stream.flush());
        return stop !== undefined ? text : text + matcher.flush();
      },
    };
  };
}

const defined = <T extends object>(o: T): Partial<T> =>
  Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined)) as Partial<T>;
