/**
 * Runs an API task and turns its events into the response: one JSON body, or a stream of
 * server-sent events.
 *
 * @module
 */
import type { AnswerReport } from "../../actors/mod.ts";
import { type ChoiceEvent, runChoices } from "./choices.ts";
import type { ApiTask, Dialect, TextPiece } from "./dialect.ts";
import { apiError, toHttpError } from "./errors.ts";
import type { GeneratedToken, Generator } from "./generator.ts";

/** What an answer is made from. */
export interface AnswerInit {
  /** Generates the text. */
  generator: Generator;
  /** Shapes the response of the endpoint that was asked. */
  dialect: Dialect;
  /** The validated request. */
  task: ApiTask;
  /** Name of the model that answers; stands in the response. */
  model: string;
  /** Aborting it stops every generation of the task. */
  signal: AbortSignal;
}

/** Token counts and timings of a finished answer, for the log. */
export interface AnswerTotals {
  /** Tokens of the prompts; a prompt that several choices share counts once. */
  promptTokens: number;
  /** Tokens generated, over all choices. */
  completionTokens: number;
  /** Milliseconds from request to first token (TTFT), of the first choice. */
  ttftMs: number;
  /** Mean milliseconds of each further token (TPOT), of the first choice. */
  tpotMs: number;
}

/** Sums the usage of a task's choices from their `done` events. */
class Tally {
  readonly facts: AnswerTotals = { promptTokens: 0, completionTokens: 0, ttftMs: 0, tpotMs: 0 };
  readonly #task: ApiTask;
  /** Indices of the prompts whose tokens are in `facts` already. */
  readonly #counted = new Set<number>();
  /** Report of the first choice; undefined until that choice is done. */
  report?: AnswerReport;
  /**
   * Draft rows of the choices that had a prediction, and how many of them were accepted; undefined:
   * no choice had one.
   */
  #predicted?: { drafted: number; accepted: number };

  constructor(task: ApiTask) {
    this.#task = task;
  }

  add({ index, event }: ChoiceEvent): void {
    if (event.type !== "done") return;
    const { prompt } = this.#task.choices[index];
    if (!this.#counted.has(prompt)) this.facts.promptTokens += event.usage.promptTokens;
    this.#counted.add(prompt);
    this.facts.completionTokens += event.usage.completionTokens;
    if (this.#task.choices[index].request.prediction !== undefined) {
      const { drafted = 0, accepted = 0 } = this.#predicted ?? {};
      const { report } = event;
      this.#predicted = { drafted: drafted + report.drafted, accepted: accepted + report.accepted };
    }
    if (index > 0) return;
    Object.assign(this.facts, event.timings);
    this.report = event.report;
  }

  /** The `usage` object of OpenAI's responses. */
  usage() {
    const { promptTokens, completionTokens } = this.facts;
    return {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
      ...(this.#predicted && {
        completion_tokens_details: {
          accepted_prediction_tokens: this.#predicted.accepted,
          rejected_prediction_tokens: this.#predicted.drafted - this.#predicted.accepted,
        },
      }),
    };
  }
}

/** The fields that a whole answer and every chunk of a stream begin with. */
function header(init: AnswerInit, object: string) {
  return {
    id: init.dialect.idPrefix + crypto.randomUUID().replaceAll("-", ""),
    object,
    created: Math.floor(Date.now() / 1000),
    model: init.model,
    system_fingerprint: null,
  };
}

/**
 * Runs the task to its end and resolves to the response body. Throws what `Generator.generate`
 * throws, the signal's reason, or group `api`, code `incomplete` where a generation ended without
 * its `done` event.
 */
export async function wholeAnswer(
  init: AnswerInit,
): Promise<{ body: unknown; facts: AnswerTotals }> {
  const { dialect, task } = init;
  const head = header(init, dialect.object.whole);
  const tally = new Tally(task);
  const parts = task.choices.map(({ echo, request }, index) => ({
    piece: {
      index,
      text: echo,
      tokens: [] as GeneratedToken[],
      offset: echo.length,
      logprobs: request.sampling.logprobs ?? false,
    },
    finishReason: "",
  }));
  for await (const step of runChoices(init.generator, task.choices, init.signal)) {
    const { event } = step;
    const part = parts[step.index];
    tally.add(step);
    if (event.type === "delta") {
      part.piece.text += event.text;
      part.piece.tokens.push(...event.tokens);
    } else if (event.type === "done") part.finishReason = event.finishReason;
  }
  const cut = parts.find(({ finishReason }) => finishReason === "");
  if (cut) {
    throw apiError(
      "incomplete",
      `the generation of choice ${cut.piece.index} ended without a reason`,
    );
  }
  const choices = parts.map(({ piece, finishReason }) => dialect.whole(piece, finishReason));
  return {
    body: { ...head, choices, usage: tally.usage(), orrery: tally.report },
    facts: tally.facts,
  };
}

/** Settings of {@linkcode streamedAnswer}. */
export interface StreamOptions {
  /** Milliseconds without an event after which a comment keeps the connection alive. */
  keepAliveMs: number;
  /** Called once, at the end of the stream; `error` is what ended it early, if anything did. */
  onEnd: (facts: AnswerTotals, error?: unknown) => void;
  /** Must stop the generations; called when the client goes away. */
  stop: () => void;
}

/**
 * Starts the task and resolves to its server-sent events (UTF-8 bytes) once all generations have
 * started. A refusal before that rejects this promise, so the caller can answer it with an HTTP
 * status. Where the start takes longer than `keepAliveMs`, the stream begins all the same, and a
 * later error becomes its last event.
 */
export async function streamedAnswer(
  init: AnswerInit,
  { keepAliveMs, onEnd, stop }: StreamOptions,
): Promise<ReadableStream<Uint8Array>> {
  const { task } = init;
  const tally = new Tally(task);
  const events = runChoices(init.generator, task.choices, init.signal);
  const steps = new Steps(events, keepAliveMs);
  await steps.begin(task.choices.length);
  const chunks = new Chunks(init);
  const encoder = new TextEncoder();
  const data = (value: unknown) =>
    `data: ${typeof value === "string" ? value : JSON.stringify(value)}\n\n`;
  let cancelled = false;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      let text = "";
      let ended = false;
      try {
        while (text === "") {
          const step = await steps.next();
          if (step === "quiet") text = ": keep-alive\n\n";
          else if (step !== "end") {
            tally.add(step);
            text = chunks.of(step).map(data).join("");
          } else {
            ended = true;
            if (task.includeUsage) text += data(chunks.usage(tally.usage(), tally.report));
            text += data("[DONE]");
            onEnd(tally.facts);
          }
        }
      } catch (error) {
        if (cancelled) return;
        ended = true;
        text = data(toHttpError(error).body);
        onEnd(tally.facts, error);
      }
      if (cancelled) return;
      controller.enqueue(encoder.encode(text));
      if (ended) controller.close();
    },
    cancel() {
      cancelled = true;
      stop();
      steps.close();
      onEnd(tally.facts, apiError("client_closed", "the client went away"));
    },
  });
}

/**
 * The events of a task in the order in which they arrive, then `end`. In between, `quiet` stands
 * for each `quietMs` milliseconds without an event.
 */
class Steps {
  readonly #events: AsyncGenerator<ChoiceEvent, void>;
  readonly #quietMs: number;
  /** Events that `begin` has read and `next` has not yet given out. */
  readonly #early: (ChoiceEvent | "end")[] = [];
  /** The read under way; a `quiet` answer leaves it for the next call. */
  #pending?: Promise<ChoiceEvent | "end">;
  /** Ends the wait for an event, and when it began, milliseconds; undefined: nobody waits. */
  #waiting?: { since: number; quiet: () => void };
  /** One timer runs through many events: setting one anew for each would cost more than the rest. */
  #timer?: ReturnType<typeof setTimeout>;

  constructor(events: AsyncGenerator<ChoiceEvent, void>, quietMs: number) {
    this.#events = events;
    this.#quietMs = quietMs;
  }

  /** Waits until all choices have started, one of them has text, or `quietMs` have passed. */
  async begin(choices: number): Promise<void> {
    for (let started = 0; started < choices; started++) {
      const step = await this.#wait();
      if (step === "quiet") return;
      this.#early.push(step);
      if (step === "end" || step.event.type !== "started") return;
    }
  }

  /** Ends the generations; call it where nobody will call `next` again. */
  close(): void {
    clearTimeout(this.#timer);
    this.#events.return().catch(() => {});
  }

  /** The next event, `end`, or `quiet`. Throws what ended the generations. */
  async next(): Promise<ChoiceEvent | "end" | "quiet"> {
    return this.#early.shift() ?? await this.#wait();
  }

  async #wait(): Promise<ChoiceEvent | "end" | "quiet"> {
    const pending = this.#pending ??= this.#events.next()
      .then((result) => result.done ? "end" : result.value);
    if (this.#timer === undefined) this.#watch(this.#quietMs);
    let over = true;
    try {
      const step = await new Promise<ChoiceEvent | "end" | "quiet">((resolve, reject) => {
        this.#waiting = { since: performance.now(), quiet: () => resolve("quiet") };
        pending.then(resolve, reject);
      });
      if (step !== "quiet") this.#pending = undefined;
      over = step === "end";
      return step;
    } finally {
      this.#waiting = undefined;
      if (over) clearTimeout(this.#timer);
    }
  }

  /** Looks after `ms` milliseconds whether an event has been waited for long enough. */
  #watch(ms: number): void {
    this.#timer = setTimeout(() => {
      const waited = this.#waiting ? performance.now() - this.#waiting.since : 0;
      const left = this.#quietMs - waited;
      if (left < 1) this.#waiting?.quiet();
      this.#watch(left < 1 ? this.#quietMs : left);
    }, ms);
  }
}

/** Turns events into the dialect's chunks, the JSON values of a stream. */
class Chunks {
  readonly #dialect: Dialect;
  readonly #task: ApiTask;
  readonly #head: ReturnType<typeof header>;
  /** Characters of token text so far, one count per choice; the echoed prompt is included. */
  readonly #offsets: number[];

  constructor(init: AnswerInit) {
    this.#dialect = init.dialect;
    this.#task = init.task;
    this.#head = header(init, init.dialect.object.chunk);
    this.#offsets = init.task.choices.map(({ echo }) => echo.length);
  }

  /** The chunks of one event; none where the event has nothing for the client. */
  of({ index, event }: ChoiceEvent): unknown[] {
    if (event.type === "started") {
      const choice = this.#dialect.open(index, this.#task.choices[index].echo);
      return choice === undefined ? [] : [this.#chunk(choice)];
    }
    if (event.type === "done") {
      return [
        this.#chunk(this.#dialect.close(index, event.finishReason), { orrery: event.report }),
      ];
    }
    const logprobs = this.#task.choices[index].request.sampling.logprobs ?? false;
    if (event.text === "" && !logprobs) return [];
    const piece: TextPiece = {
      index,
      text: event.text,
      tokens: event.tokens,
      offset: this.#offsets[index],
      logprobs,
      branch: event.branch,
    };
    for (const token of event.tokens) this.#offsets[index] += token.text.length;
    return [this.#chunk(this.#dialect.delta(piece))];
  }

  /** The last chunk of a stream that was asked for its usage: it has no choices. */
  usage(usage: unknown, orrery: AnswerReport | undefined): unknown {
    return { ...this.#head, choices: [], usage, orrery };
  }

  #chunk(choice: unknown, more: { orrery?: AnswerReport } = {}): unknown {
    return {
      ...this.#head,
      choices: [choice],
      ...(this.#task.includeUsage && { usage: null }),
      ...more,
    };
  }
}
