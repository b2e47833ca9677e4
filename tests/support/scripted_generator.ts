/**
 * A generator for tests of the protocol: marks in the prompt choose what happens.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";
import type {
  Embeddings,
  GeneratedToken,
  GenerateRequest,
  GenerationEvent,
  Generator,
  ModelCard,
} from "../../runtime/api/generator.ts";

const words =
  "The café on the hill is warm 🙂 and the people there know how to tell a good story about the sea"
    .split(/(?= )/);

/**
 * Answers with the words above; with a temperature above 0 the seed changes their order. Marks in
 * the prompt: `[busy]`, `[not ready]`, `[broken]` (a bug), `[fail]` (a stage fails after two
 * tokens), `[hang]` (no token), `[endless]`, `[flood]` (endless, 64 KiB a token), `[think]` (reasoning first), `[call]` (two calls of the
 * first function in place of a text).
 */
export class ScriptedGenerator implements Generator {
  readonly requests: GenerateRequest[] = [];
  /** Number of generations that have begun and not ended. */
  active = 0;
  /** Called when the signal of a generation aborts. */
  onAbort: () => void = () => {};
  ready = true;
  /** Thrown by every generation before its first event. @default nothing is */
  refusal?: OrreryError;
  cards: ModelCard[] = [{
    name: "scripted",
    created: 1_700_000_000,
    context: 512,
    vocab: 1000,
    precision: "f32",
  }];

  models(): ModelCard[] {
    return this.cards;
  }

  readiness(): { ready: boolean; reason: string } {
    return this.ready
      ? { ready: true, reason: "serving" }
      : { ready: false, reason: "waiting for 1 more node" };
  }

  async *generate(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<GenerationEvent> {
    this.requests.push(request);
    this.active++;
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    try {
      if (this.refusal) throw this.refusal;
      yield* this.#run(request, signal, aborted);
    } finally {
      this.active--;
      if (signal.aborted) this.onAbort();
    }
  }

  async *#run(
    request: GenerateRequest,
    signal: AbortSignal,
    aborted: Promise<void>,
  ): AsyncGenerator<GenerationEvent> {
    const { prompt, sampling } = request;
    const text = prompt.kind === "chat"
      ? prompt.messages.map(({ content }) => content).join(" ")
      : prompt.kind === "text"
      ? prompt.text
      : "";
    const promptTokens = prompt.kind === "tokens" ? prompt.tokens.length : text.split(" ").length;
    const { context } = this.cards[0];
    if (text.includes("[busy]")) {
      throw refusal("busy", { active: 4, queued: 16, limit: 16, retry_after_s: 7 });
    }
    if (text.includes("[not ready]")) throw refusal("not_ready", {});
    if (text.includes("[broken]")) throw new TypeError("a secret detail");
    if (promptTokens >= context) {
      throw refusal("context_exceeded", { prompt_tokens: promptTokens, context });
    }
    yield { type: "started", id: crypto.randomUUID(), promptTokens };
    if (request.promptLogprobs !== undefined) {
      const spelled = prompt.kind === "tokens"
        ? prompt.tokens.map((token) => words[token])
        : text.split(/(?= )/);
      yield {
        type: "prompt",
        tokens: spelled.map((text, i) => ({ token: i, text, ...(i > 0 && { logprob: -1.5 }) })),
      };
    }
    if (text.includes("[think]")) {
      for (const piece of ["Let me", " see."]) {
        yield { type: "reasoning", text: piece, tokens: [{ token: 1, text: piece }] };
      }
    }
    const called = text.includes("[call]") ? request.tools?.functions[0].name : undefined;
    if (called !== undefined) {
      for (const [index, place] of ["Paris", "Rome"].entries()) {
        const id = `call_${index}`;
        yield { type: "tool_call", call: { index, id, name: called } };
        for (const piece of ['{"place": ', `"${place}"}`]) {
          yield { type: "tool_call", call: { index, id, arguments: piece } };
        }
      }
      yield {
        ...doneEvent(request, { promptTokens, completionTokens: 8 }),
        finishReason: "tool_calls",
      };
      return;
    }
    if (text.includes("[hang]")) await aborted;
    while (text.includes("[flood]") && !signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve));
      yield { type: "delta", text: "0123456789abcdef".repeat(4_096), tokens: [] };
    }
    const endless = text.includes("[endless]");
    const natural = endless ? Infinity : words.length;
    const limit = Math.min(request.maxTokens ?? Infinity, natural);
    const turn = sampling.temperature ? sampling.seed ?? 0 : 0;
    let completionTokens = 0;
    let length = 0;
    const cut = findStop(
      words.map((_, i) => words[(i + turn) % words.length]).join(""),
      request.stop,
    );
    let finishReason: "stop" | "length" = limit < natural ? "length" : "stop";
    for (; completionTokens < limit; completionTokens++) {
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, endless ? 1 : 0));
      if (completionTokens === 2 && text.includes("[fail]")) {
        throw new OrreryError({
          group: "engine",
          code: "engine_failed",
          message: "stage 1 is gone",
        });
      }
      const at = (completionTokens + turn) % words.length;
      const token: GeneratedToken = { token: at, text: words[at] };
      if (sampling.logprobs) token.logprob = -0.25;
      if (sampling.top_logprobs) {
        token.top = Array.from(
          { length: sampling.top_logprobs },
          (_, i) => [(at + i) % words.length, -0.25 - i],
        );
        token.topText = token.top.map(([id]) => words[id]);
      }
      const start = length;
      length += token.text.length;
      yield {
        type: "delta",
        text: token.text.slice(0, Math.max(0, cut.start - start)),
        tokens: [token],
        ...(request.mode === "outline" && { branch: completionTokens % 2 }),
      };
      if (length >= cut.end) {
        completionTokens++;
        finishReason = "stop";
        break;
      }
    }
    yield {
      ...doneEvent(request, { promptTokens, completionTokens }),
      finishReason,
      ...(cut.stop !== undefined && length >= cut.end && { stopText: cut.stop }),
    };
  }

  embed(inputs: readonly (string | readonly number[])[]): Promise<Embeddings> {
    const tokens = inputs.map((input) =>
      typeof input === "string" ? input.split(" ").length : input.length
    );
    return Promise.resolve({ vectors: tokens.map((n) => Float32Array.of(n, 2, -1, 0)), tokens });
  }

  countTokens({ prompt }: Pick<GenerateRequest, "prompt">): number {
    return prompt.kind === "chat"
      ? prompt.messages.map(({ content }) => content).join(" ").split(" ").length
      : 0;
  }
}

/** The last event of an answer that ends by itself. */
const doneEvent = (
  request: GenerateRequest,
  usage: { promptTokens: number; completionTokens: number },
): GenerationEvent & { type: "done" } => ({
  type: "done",
  finishReason: "stop",
  usage,
  timings: { ttftMs: 1, tpotMs: 1 },
  report: {
    route: "one",
    mode: request.mode === "outline" ? "outline" : "plain",
    why: "scripted",
    nodes: 1,
    stages: 1,
    ttft_ms: 1,
    tokens_per_s: 1000,
    pieces: 1,
    drafted: request.prediction === undefined ? 0 : 5,
    accepted: request.prediction === undefined ? 0 : 3,
    branches: 0,
    bubble_share: 0,
    wasted_row_share: 0,
    bytes_per_token_per_hop: 0,
  },
});

/**
 * Where the first stop string begins and ends in the text; both beyond its end if there is none.
 */
function findStop(
  text: string,
  stops: string[],
): { start: number; end: number; stop?: string } {
  const found = stops.map((stop) => ({
    stop,
    start: text.indexOf(stop),
    end: text.indexOf(stop) + stop.length,
  }))
    .filter(({ start }) => start >= 0);
  return found.sort((a, b) => a.end - b.end)[0] ?? { start: Infinity, end: Infinity };
}

function refusal(code: string, metadata: Record<string, unknown>): OrreryError {
  return new OrreryError({ group: "api", code, message: `refused: ${code}`, metadata });
}
