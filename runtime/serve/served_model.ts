/**
 * A model as the gateway serves it: its card, its defaults, prompt to tokens, tokens to text.
 *
 * @module
 */
import {
  type MakeCodec,
  type OutlineText,
  type RequestPolicy,
  type Sampling,
} from "../../actors/mod.ts";
import { CHAT_TEMPLATES, EMBEDDED_TEMPLATES } from "../../actors/outline/mod.ts";
import {
  type ChatTemplate,
  StopMatcher,
  type StoredModel,
  TextStream,
  type Tokenizer,
} from "../../models/mod.ts";
import type { GenerateRequest, ModelCard } from "../api/mod.ts";
import { outlineTextOf } from "./outline_text.ts";

/** Names of the embedded model in its precisions: it was trained on outline forms of its own. */
const EMBEDDED = /^embedded(-|$)/;

/** See the module's text. */
export class ServedModel {
  readonly card: ModelCard;
  readonly eos: number[];
  /** What generation_config.json says. */
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

  /** Prompt token ids. Throws group `model`, `chat_template_failed`. */
  encode(prompt: GenerateRequest["prompt"]): Int32Array<ArrayBuffer> {
    switch (prompt.kind) {
      case "tokens":
        return Int32Array.from(prompt.tokens);
      case "text":
        return Int32Array.from(this.#tokenizer.encode(prompt.text));
      case "chat": {
        const text = this.#template.render(prompt.messages);
        // The template has written the special tokens; a BOS of the tokenizer's own would stand
        // twice.
        return Int32Array.from(this.#tokenizer.encode(text, { addSpecialTokens: false }));
      }
    }
  }

  /** Token ids of a text that stands inside a conversation: no special tokens are added. */
  encodeText(text: string): Int32Array<ArrayBuffer> {
    return Int32Array.from(this.#tokenizer.encode(text, { addSpecialTokens: false }));
  }

  /**
   * What is needed to answer this prompt by an outline, as `policy` says; undefined where it cannot
   * be.
   */
  outlineText(
    prompt: GenerateRequest["prompt"],
    { templates, router }: Pick<RequestPolicy, "templates" | "router"> = {},
  ): OutlineText | undefined {
    if (prompt.kind !== "chat") return undefined;
    return outlineTextOf({
      render: (messages) => this.#template.render(messages),
      encode: (text) => Int32Array.from(this.#tokenizer.encode(text, { addSpecialTokens: false })),
      templates: templates ?? (EMBEDDED.test(this.card.name) ? EMBEDDED_TEMPLATES : CHAT_TEMPLATES),
      router,
    }, prompt.messages);
  }

  /** The `codec` resource of generation actors. */
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
