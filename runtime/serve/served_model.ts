/**
 * A model as the gateway serves it: its card and defaults, its tokenizer and its chat template.
 *
 * @module
 */
import { createHash } from "node:crypto";
import {
  CHAT_TEMPLATES,
  EMBEDDED_TEMPLATES,
  type MakeCodec,
  type OutlineText,
  type RequestPolicy,
  type Route,
  type Sampling,
  SuffixStore,
} from "../../actors/mod.ts";
import {
  type ChatTemplate,
  grammarOf,
  groupsOf,
  infillEnds,
  type Manifest,
  type ModelScope,
  StopMatcher,
  type StoredModel,
  TextStream,
  thinkingAfter,
  thinkMarksOf,
  type Tokenizer,
  ToolTemplate,
  type VocabularySource,
  windowOf,
} from "../../models/mod.ts";
import type { GenerateRequest, ModelCard } from "../api/mod.ts";
import { ChatAnswer, type ChatAnswerModel } from "./chat_answer.ts";
import { isEmbeddedName } from "./embedded_names.ts";
import { outlineTextOf } from "./outline_text.ts";
import { type ChatPrompt, PromptEncoder } from "./prompt_encoder.ts";
import { isAtLeast, LARGE_CHARS, OUTLINE_CHARS } from "./prompt_size.ts";
import { PromptThread } from "./prompt_thread.ts";
import type { EncodedPrompt } from "./prompt_thread_protocol.ts";

/** Messages that are copied to another thread one by one. */
const FEW_MESSAGES = 100;

/** What a {@linkcode ServedModel} is made of. */
interface ServedParts {
  card: ModelCard;
  eos: number[];
  defaults: { sampling: Partial<Sampling>; maxTokens?: number };
  tokenizer: Tokenizer;
  template: ChatTemplate;
  /** What the model has learned about; undefined: it does not say. */
  scope?: ModelScope;
  /** Folder of the stored model. */
  folder: string;
  /** See {@linkcode ServedModel.window}. */
  window?: number;
}

/** See the module's text. */
export class ServedModel {
  /** What clients are told of the model. */
  readonly card: ModelCard;
  /** Token ids that end an answer. */
  readonly eos: number[];
  /** Defaults of generation_config.json for requests that leave them out. */
  readonly defaults: { sampling: Partial<Sampling>; maxTokens?: number };
  /** Positions that rows of its windowed layers attend to; undefined: it has no such layers. */
  readonly window?: number;
  /** Its latest answers at this node, in which drafts are looked up. */
  readonly answers = new SuffixStore();
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate;
  readonly #scope?: ModelScope;
  readonly #encoder: PromptEncoder;
  readonly #thread: PromptThread;
  readonly #answers: ChatAnswerModel;
  /** Special tokens that are shown all the same, since they are marks of calls or thoughts. */
  readonly #shown: ReadonlySet<number>;
  /** Large prompts that the thread encodes or has encoded; other choices may have the same one. */
  readonly #prepared = new WeakMap<object, { by: Promise<EncodedPrompt>; is?: EncodedPrompt }>();

  private constructor(
    { card, eos, defaults, tokenizer, template, scope, folder, window }: ServedParts,
  ) {
    const tools = new ToolTemplate(template);
    this.card = { ...card, tools: tools.format.name };
    this.eos = eos;
    this.defaults = defaults;
    this.window = window;
    this.#tokenizer = tokenizer;
    this.#template = template;
    this.#scope = scope;
    const { name, context } = card;
    this.#encoder = new PromptEncoder({ tokenizer, template, name, context }, tools);
    this.#thread = new PromptThread({ folder, name, context });
    const thinkMarks = thinkMarksOf(template.source);
    this.#answers = { format: tools.format, thinkMarks, check: checkSchema };
    const marks = tools.format.marks + (thinkMarks ? thinkMarks.open + thinkMarks.close : "");
    this.#shown = new Set(
      [...tokenizer.specialIds].filter((id) => marks.includes(tokenizer.tokenText(id))),
    );
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
    return new ServedModel({
      card: {
        name,
        created: Math.floor((manifestInfo.mtime?.getTime() ?? 0) / 1000),
        context: geometry.context,
        vocab: geometry.vocab,
        precision,
        ...sizesOf(stored.manifest),
        digest: createHash("sha256").update(JSON.stringify(stored.manifest)).digest("hex"),
      },
      eos: d.eosTokens,
      defaults: { sampling, maxTokens: d.maxNewTokens },
      tokenizer: await stored.tokenizer(),
      template: await stored.chatTemplate(),
      scope: await stored.scope(),
      folder: stored.dir,
      window: windowOf(geometry),
    });
  }

  /** What answers that are held to a grammar are made of. */
  get vocabulary(): VocabularySource {
    return { tokenizer: this.#tokenizer, eos: this.eos, vocab: this.card.vocab };
  }

  /** Token ids that end the answer to a prompt with a suffix, besides `eos`. */
  get infillEos(): number[] {
    return infillEnds(this.#tokenizer);
  }

  /** Large prompts that wait to be encoded, or are. */
  get encoding(): number {
    return this.#thread.waiting;
  }

  /**
   * Encodes a large prompt in a thread of its own; small ones are encoded when they are asked for.
   * Call it before {@linkcode encode}, {@linkcode answer} and {@linkcode outlineText}. Throws what
   * {@linkcode encode} and `PromptThread.ask` throw, `context_exceeded` among it, and the signal's
   * reason.
   */
  async prepare(prompt: GenerateRequest["prompt"], signal?: AbortSignal): Promise<void> {
    if (prompt.kind === "tokens" || !isAtLeast(prompt, LARGE_CHARS)) return;
    const known = this.#prepared.get(prompt);
    if (known) return void await known.by;
    const prepared: { by: Promise<EncodedPrompt>; is?: EncodedPrompt } = {
      by: this.#thread.ask({ op: "prompt", prompt: copied(prompt) }, signal),
    };
    this.#prepared.set(prompt, prepared);
    try {
      prepared.is = await prepared.by;
    } catch (error) {
      this.#prepared.delete(prompt);
      throw error;
    }
  }

  /** Token ids of a text of any length within a conversation: no special tokens are added. */
  async encodeLong(text: string, signal?: AbortSignal): Promise<Int32Array<ArrayBuffer>> {
    if (text.length < LARGE_CHARS) return this.encodeText(text);
    return (await this.#thread.ask({ op: "text", text }, signal)).ids;
  }

  /** Ends the thread for large prompts; the next one begins it again. */
  close(): void {
    this.#thread.close();
  }

  /**
   * Token ids of a prompt. Throws group `model`, code `chat_template_failed`; group `api`, code
   * `unsupported_parameter` for a suffix that the model cannot read.
   */
  encode(prompt: GenerateRequest["prompt"]): Int32Array<ArrayBuffer> {
    return this.#prepared.get(prompt)?.is?.ids ?? this.#encoder.encode(prompt);
  }

  /**
   * How the answer to a conversation is made and read. Throws group `model`, code
   * `chat_template_failed`, and what the grammar of a strict function throws.
   */
  answer(request: GenerateRequest, prompt: ChatPrompt): ChatAnswer {
    if (prompt.ending !== "continue") {
      return new ChatAnswer(request, this.#answers, this.#tail(prompt));
    }
    // Thoughts and the channel of a message that goes on are behind it.
    const { check, format } = this.#answers;
    return new ChatAnswer(request, { check, format: { ...format, channels: undefined } }, "");
  }

  /**
   * The texts of which the answer must be one, since it is asked about something that the model has
   * not learned; undefined: the model answers as it will, as always where the request says what the
   * answer is to be.
   */
  refusals(
    { prompt, constraint, tools, maxTokens }: Pick<
      GenerateRequest,
      "prompt" | "constraint" | "tools" | "maxTokens"
    >,
  ): readonly string[] | undefined {
    if (!this.#scope || prompt.kind !== "chat" || (prompt.ending ?? "answer") !== "answer") return;
    if (constraint || tools || prompt.tools?.length || maxTokens === 0) return;
    const last = prompt.messages.at(-1);
    if (last?.role !== "user") return;
    return this.#scope.covers(last.content) ? undefined : this.#scope.refusals;
  }

  /** Whether the answer to a conversation may begin with thoughts. */
  #thinks(prompt: ChatPrompt): boolean {
    return thinkingAfter(this.#answers.thinkMarks, this.#tail(prompt)) !== undefined;
  }

  /** What the template wrote at the end of a prompt. */
  #tail(prompt: ChatPrompt): string {
    return this.#prepared.get(prompt)?.is?.tail ?? this.#encoder.tail(prompt);
  }

  /** Token ids of a text within a conversation: no special tokens are added. */
  encodeText(text: string): Int32Array<ArrayBuffer> {
    return Int32Array.from(this.#tokenizer.encode(text, { addSpecialTokens: false }));
  }

  /** Whether it answers questions about questions: it was made for chat, and for any topic. */
  get answersQuestions(): boolean {
    return this.#template.own && !this.#scope;
  }

  /**
   * The prompts for an answer by outline, with the graph's templates and router if it has them, and
   * what the model itself says of the question if it was asked; undefined where the prompt is no conversation that ends with a question, or a very long one.
   */
  outlineText(
    prompt: GenerateRequest["prompt"],
    { templates, router, said }: Pick<RequestPolicy, "templates" | "router"> & { said?: Route } =
      {},
  ): OutlineText | undefined {
    if (prompt.kind === "chat" && (prompt.ending ?? "answer") !== "answer") return undefined;
    // What may think or call functions is one sequence.
    if (prompt.kind !== "chat" || (prompt.tools?.length ?? 0) > 0) return undefined;
    if (isAtLeast(prompt, OUTLINE_CHARS)) return undefined;
    if (this.#answers.thinkMarks && this.#thinks(prompt)) return undefined;
    if (this.#answers.format.channels) return undefined;
    return outlineTextOf({
      render: (messages) => this.#template.renderMarked(messages),
      encode: (text) => this.#encoder.encodeMarked(text),
      // The embedded model was trained on its own outline forms.
      templates: templates ??
        (isEmbeddedName(this.card.name) ? EMBEDDED_TEMPLATES : CHAT_TEMPLATES),
      router,
      said,
    }, prompt.messages);
  }

  /** Resource `codec` of generation actors; `onStop` is told the stop string that ends an answer. */
  readonly makeCodec = (
    stops: string[],
    onStop: (text: string) => void = () => {},
  ): ReturnType<MakeCodec> => {
    const stream = new TextStream(this.#tokenizer, { shown: this.#shown });
    const matcher = new StopMatcher(stops);
    return {
      push: (token) => {
        const { text, stop } = matcher.push(stream.push(token));
        if (stop !== undefined) onStop(stop);
        return { text, stopped: stop !== undefined };
      },
      tokenText: (token) => this.#tokenizer.tokenText(token),
      flush: () => {
        const { text, stop } = matcher.push(stream.flush());
        if (stop !== undefined) onStop(stop);
        return stop !== undefined ? text : text + matcher.flush();
      },
    };
  };
}

/** Family, number of weights and stored bytes of a model. */
function sizesOf(manifest: Manifest): Pick<ModelCard, "family" | "parameters" | "bytes"> {
  const { geometry } = manifest;
  let [parameters, bytes] = [0, 0];
  for (const group of groupsOf(manifest)) {
    bytes += group.bytes;
    for (const [key, { shape }] of Object.entries(group.tensors)) {
      if (key === "lm_head" && geometry.tied_embeddings) continue;
      parameters += shape.reduce((a, b) => a * b, 1);
    }
  }
  const family = geometry.architecture.replace(/For(CausalLM|ConditionalGeneration)$/, "");
  return { family: family.toLowerCase(), parameters, bytes };
}

/** Throws where no grammar can hold to a JSON schema. */
function checkSchema(schema: unknown): void {
  grammarOf({ kind: "json_schema", schema });
}

/** A prompt as the quickest way to copy it to another thread. */
const copied = (prompt: GenerateRequest["prompt"]): GenerateRequest["prompt"] | string =>
  prompt.kind === "chat" && prompt.messages.length > FEW_MESSAGES ? JSON.stringify(prompt) : prompt;

const defined = <T extends object>(o: T): Partial<T> =>
  Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined)) as Partial<T>;
