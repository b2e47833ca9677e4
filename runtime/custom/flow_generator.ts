/**
 * Sends requests to the model, and its text back to the API, through the custom actors of the
 * graph.
 *
 * Each actor between `api` and `generation` gets the request, one after the other, and allows,
 * changes or refuses it. Each actor between `generation` and `api` gets the text of the answer and
 * returns what goes on to the client. An actor that fails ends the request: a guard that has
 * crashed lets nothing pass.
 *
 * @module
 */
import {
  type ActorSystem,
  customAddress,
  filteredText,
  type Flow,
  OrreryError,
  type RequestMessage,
  requestVerdict,
  toOrreryError,
} from "../../actors/mod.ts";
import {
  apiError,
  type GenerateRequest,
  type GenerationEvent,
  type Generator,
  type ModelCard,
  SAMPLING_FIELDS,
} from "../api/mod.ts";

/** Milliseconds in which an actor must answer a request; its time in the mailbox is included. */
const REQUEST_MS = 300_000;
/** Milliseconds in which an actor must answer a piece of text. */
const DELTA_MS = 60_000;

/** Options of a {@linkcode FlowGenerator}. */
export interface FlowOptions {
  /** Generates the text: the model without custom actors. */
  inner: Generator;
  /** Reaches the custom actors. */
  system: Pick<ActorSystem, "ask" | "tell">;
  /**
   * Gives the actors on the way of requests for a model. Throws where they are not known, so that no
   * request passes them by.
   */
  flow: (model: string, signal: AbortSignal) => Promise<Flow>;
}

/** See the module's text. */
export class FlowGenerator implements Generator {
  readonly #options: FlowOptions;

  constructor(options: FlowOptions) {
    this.#options = options;
    const { inner, flow } = options;
    this.traces = inner.traces && (() => inner.traces!());
    this.check = inner.check && (() => inner.check!());
    this.embed = inner.embed && (async (inputs, options, signal) => {
      const path = await flow(options.model, signal);
      if (path.request.length === 0) return await inner.embed!(inputs, options, signal);
      const actors = path.request.join(", ");
      throw apiError(
        "unsupported_parameter",
        `input: no embeddings are given here, since requests pass ${actors}, and these would not`,
        "input",
      );
    });
    this.countTokens = inner.countTokens &&
      ((request, signal) => inner.countTokens!(request, signal));
    this.limits = inner.limits && (() => inner.limits!());
    this.journals = inner.journals && ((model) => inner.journals!(model));
  }

  traces: Generator["traces"];
  check: Generator["check"];
  embed: Generator["embed"];
  countTokens: Generator["countTokens"];
  limits: Generator["limits"];
  journals: Generator["journals"];

  models(): ModelCard[] {
    return this.#options.inner.models();
  }

  readiness(): { ready: boolean; reason: string } {
    return this.#options.inner.readiness();
  }

  async *generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<GenerationEvent> {
    const { inner, flow } = this.#options;
    const path = await flow(request.model, signal);
    let passed = request;
    for (const name of path.request) passed = await this.#pass(name, passed, signal);
    if (path.delta.length === 0) return yield* inner.generate(passed, signal);
    if (passed.sampling.logprobs) {
      const actors = path.delta.join(", ");
      throw apiError(
        "unsupported_parameter",
        `logprobs: not given here, since text passes ${actors} on its way out`,
        "logprobs",
      );
    }
    if (passed.tools) {
      const actors = path.delta.join(", ");
      throw apiError(
        "unsupported_parameter",
        `tools: not taken here, since text passes ${actors} on its way out, and calls would not`,
        "tools",
      );
    }
    yield* this.#filtered(inner.generate(passed, signal), path.delta, signal);
  }

  /**
   * Asks one actor whether the request may pass, and resolves to the request as the actor leaves
   * it. Throws group `refused` with the actor's own code and message.
   */
  async #pass(
    name: string,
    request: GenerateRequest,
    signal: AbortSignal,
  ): Promise<GenerateRequest> {
    const message = { type: "request", ...shown(name, request) };
    const answer = await this.#ask({ name, key: "main", message, deadlineMs: REQUEST_MS, signal });
    const parsed = requestVerdict.safeParse(answer);
    if (!parsed.success) {
      const { path, message: fault } = parsed.error.issues[0];
      throw failed(
        name,
        `answered request with something else than a verdict: ${
          path.join(".") || "answer"
        }: ${fault}`,
      );
    }
    const verdict = parsed.data;
    if (!verdict.allow) {
      const { code, message, retry_after_s } = verdict;
      if (retry_after_s !== undefined) {
        throw new OrreryError({
          group: "api",
          code: "busy",
          message,
          metadata: { actor: name, retry_after_s },
        });
      }
      throw new OrreryError({ group: "refused", code, message, metadata: { actor: name } });
    }
    return verdict.request ? changed(request, verdict.request) : request;
  }

  /** The events of a generation, with the text as the actors `names` leave it. */
  async *#filtered(
    events: AsyncIterable<GenerationEvent>,
    names: string[],
    signal: AbortSignal,
  ): AsyncIterable<GenerationEvent> {
    const id = crypto.randomUUID();
    /**
     * Texts that have begun, by the actors' key: each branch, and the reasoning, is filtered by
     * itself.
     */
    const open = new Map<string, { type: "delta" | "reasoning"; branch?: number }>();
    try {
      for await (const event of events) {
        if (event.type === "delta" || event.type === "reasoning") {
          const branch = event.type === "delta" ? event.branch : undefined;
          const key = event.type === "reasoning"
            ? `${id}:reasoning`
            : branch === undefined
            ? id
            : `${id}:${branch}`;
          open.set(key, { type: event.type, ...(branch !== undefined && { branch }) });
          const text = await this.#through(names, { key, text: event.text, signal });
          // No tokens: their own texts would show what an actor took out.
          yield { ...event, text, tokens: [] };
          continue;
        }
        if (event.type === "done") {
          for (const [key, kind] of [...open]) {
            const text = await this.#flush(names, { key, signal });
            open.delete(key);
            if (text !== "") yield { ...kind, text, tokens: [] };
          }
        }
        yield event;
      }
    } finally {
      // Texts still open belong to an answer that was broken off: its actors must end too.
      for (const key of open.keys()) {
        for (const name of names) {
          void this.#options.system.tell(customAddress(name, key), { type: "end" }, {
            deadlineMs: 10_000,
          })
            .catch(() => {}); // the actor then ends when it has been idle for long enough
        }
      }
    }
  }

  /** A piece of text after all actors; empty: an actor held it back. */
  async #through(
    names: string[],
    { key, text, signal }: { key: string; text: string; signal: AbortSignal },
  ): Promise<string> {
    let passed = text;
    for (const name of names) {
      if (passed === "") return "";
      passed = await this.#text(name, { key, message: { type: "delta", text: passed }, signal });
    }
    return passed;
  }

  /** The text that the actors still held back; each one's passes the actors after it. */
  async #flush(
    names: string[],
    { key, signal }: { key: string; signal: AbortSignal },
  ): Promise<string> {
    let carried = "";
    for (const name of names) {
      if (carried !== "") {
        carried = await this.#text(name, {
          key,
          message: { type: "delta", text: carried },
          signal,
        });
      }
      carried += await this.#text(name, { key, message: { type: "end" }, signal });
    }
    return carried;
  }

  /** Sends one actor a piece of text or the end of it, and resolves to the text it returns. */
  async #text(
    name: string,
    { key, message, signal }: {
      key: string;
      message: { type: string; text?: string };
      signal: AbortSignal;
    },
  ): Promise<string> {
    const answer = await this.#ask({ name, key, message, deadlineMs: DELTA_MS, signal });
    const parsed = filteredText.safeParse(answer);
    if (parsed.success) return parsed.data.text;
    throw failed(name, `answered ${message.type} with something else than {text}`);
  }

  async #ask({ name, key, message, deadlineMs, signal }: {
    name: string;
    key: string;
    message: { type: string };
    deadlineMs: number;
    signal: AbortSignal;
  }): Promise<unknown> {
    try {
      return await this.#options.system.ask(customAddress(name, key), message, {
        deadlineMs,
        signal,
      });
    } catch (error) {
      signal.throwIfAborted();
      const { public: told, message: why } = toOrreryError(error);
      throw failed(name, told ? `failed: ${why}` : "failed (see the log of the node)", error);
    }
  }
}

/** The error for an actor that failed: group `actor`, so HTTP status 502 for the client. */
function failed(name: string, what: string, cause?: unknown): OrreryError {
  return new OrreryError({
    group: "actor",
    code: "custom_actor_failed",
    message: `actor ${name}, which stands between clients and the model, ${what}`,
    metadata: { actor: name },
    cause,
  });
}

/** Sampling fields that actors see. */
const SAMPLING = [...SAMPLING_FIELDS, "seed"] as const;

/**
 * The request as the actor sees it. Throws `invalid_prompt` for token ids, which it cannot read.
 */
function shown(
  name: string,
  { model, prompt, sampling, maxTokens, stop }: GenerateRequest,
): RequestMessage {
  if (prompt.kind === "tokens") {
    throw apiError(
      "invalid_prompt",
      `prompt: token ids cannot be shown to actor ${name}, which requests pass here; send text`,
      "prompt",
    );
  }
  const chosen = Object.entries(sampling).filter(([k, v]) =>
    (SAMPLING as readonly string[]).includes(k) && v !== undefined
  );
  return {
    model,
    ...(prompt.kind === "chat"
      ? { messages: prompt.messages.map(({ role, content }) => ({ role, content })) }
      : { prompt: prompt.text }),
    sampling: Object.fromEntries(chosen),
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
    stop,
  };
}

/** The request with the fields that an actor has replaced. */
function changed(request: GenerateRequest, given: Partial<RequestMessage>): GenerateRequest {
  const { model, messages, prompt, sampling, max_tokens, stop } = given;
  return {
    ...request,
    ...(model !== undefined && { model }),
    ...(prompt !== undefined && {
      prompt: {
        ...(request.prompt.kind === "text" && request.prompt),
        kind: "text" as const,
        text: prompt,
      },
    }),
    ...(messages !== undefined && {
      prompt: {
        // What the actor did not see stays: functions, documents, variables of the template.
        ...(request.prompt.kind === "chat" && request.prompt),
        kind: "chat" as const,
        messages,
      },
    }),
    ...(sampling !== undefined && { sampling: { ...request.sampling, ...sampling } }),
    ...(max_tokens !== undefined && { maxTokens: max_tokens }),
    ...(stop !== undefined && { stop }),
  };
}
