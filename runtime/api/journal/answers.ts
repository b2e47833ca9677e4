/**
 * The API's requests in the journal: runs them, here or where another node has left off, and tells
 * their events.
 *
 * @module
 */
import {
  addProgress,
  answerDiffers,
  type AnswerState,
  emptyAnswer,
  type EntryHead,
  type JournalledRequests,
  type OpenRequest,
  requestUnknown,
  type RunInit,
  type TraceContext,
} from "../../../actors/mod.ts";
import { runChoices } from "../choices.ts";
import type { ApiChoice, ApiTask, ChoiceEvent, Dialect } from "../dialect.ts";
import { apiError, toHttpError } from "../errors.ts";
import type { Generator } from "../generator.ts";
import { freshId, nowS } from "../ids.ts";
import { tracedTask } from "../request_trace.ts";
import { cardOf } from "../card_of.ts";
import { type AnswerNames, namesOf } from "../answer_names.ts";
import {
  type AskedRequest,
  decodeAsked,
  decodeEvent,
  encodeAsked,
  encodeEvent,
} from "./records.ts";
import { sha256 } from "./sha256.ts";
import { DIFFERS, UnheardEvents } from "./unheard.ts";

/** Milliseconds for which a request is kept after it has ended, for clients that come back. */
const KEPT_MS = 300_000;
/** The same, under an idempotency key. */
const KEYED_MS = 24 * 3_600_000;
/** Milliseconds for which a request that is gone on with waits for something that serves. */
const SERVED_MS = 60_000;
/** Milliseconds between two looks. */
const PAUSE_MS = 250;
/** Most characters of an idempotency key. */
const MOST_KEY_CHARS = 255;

/** A request as a route has it. */
export interface RouteRequest {
  path: string;
  body: unknown;
  task: ApiTask;
  /** Name of the model that answers. */
  model: string;
  /** Id of the API key that asks; "": none is needed. */
  owner: string;
  /** Header `Idempotency-Key`. */
  key?: string;
  /** Context of the request's span. @default it has none */
  trace?: TraceContext;
}

/** An answer that is told from the journal. */
export interface JournalledAnswer {
  id: string;
  task: ApiTask;
  model: string;
  names: AnswerNames;
  /** The events of its choices, from the first one on. */
  events: AsyncGenerator<ChoiceEvent, void>;
}

/** Options of {@linkcode JournalledAnswers}. */
export interface JournalledOptions {
  generator: Generator;
  /** The requests of the cluster. */
  requests: () => JournalledRequests;
}

/** See the module's text. */
export class JournalledAnswers {
  /** How the routes read their requests, by path. */
  readonly dialects = new Map<string, Dialect>();
  readonly #options: JournalledOptions;

  /** No route is known yet. */
  constructor(options: JournalledOptions) {
    this.#options = options;
  }

  /** Whether requests for this model are journalled. */
  journals(model: string): boolean {
    return this.#options.generator.journals?.(model) ?? false;
  }

  /** Begins a request, or finds the one that stands for its key. Throws group `journal`. */
  async open(request: RouteRequest, signal: AbortSignal): Promise<JournalledAnswer> {
    const { owner, key, path, body } = request;
    const requests = this.#options.requests();
    if (key === undefined) {
      const head = headOf(request, { id: freshId(""), keepMs: KEPT_MS });
      return await this.#told(requests.begin(head, signal));
    }
    const name = await sha256(`${owner}\n${checkedKey(key)}`);
    const asked = await sha256(`${path}\n${JSON.stringify(body)}`);
    const opened = await requests.beginOnce({ name, asked }, {
      fresh: () => ({ id: freshId(""), seed: seedsOf(request.task)[0] ?? 0 }),
      make: ({ id, seed }) => headOf(request, { id, seed, keepMs: KEYED_MS }),
    }, signal);
    return await this.#told(opened);
  }

  /** Finds a request that this key's owner has made. Throws group `journal`. */
  async follow(
    { id, owner }: { id: string; owner: string },
    signal: AbortSignal,
  ): Promise<JournalledAnswer> {
    const opened = await this.#options.requests().follow(id, signal);
    if (opened.head.owner !== owner) {
      await opened.records.return();
      throw requestUnknown(id);
    }
    return await this.#told(opened);
  }

  async #told({ head, records }: OpenRequest): Promise<JournalledAnswer> {
    const asked = decodeAsked(head.request);
    const task = await this.#taskOf(asked);
    return {
      ...{ id: head.id, task, model: asked.model },
      names: namesOf(head.id, asked.createdS),
      events: eventsOf(records),
    };
  }

  /** The task of a request that was read before, here or at another node. */
  async #taskOf({ path, body, seeds, choices }: AskedRequest): Promise<ApiTask> {
    const dialect = this.dialects.get(path);
    if (!dialect) throw apiError("not_found", `no such route: POST ${path}`);
    const cards = this.#options.generator.models();
    const task = await dialect.parse(body, { cards, again: true });
    return { ...task, choices: seeded(choices ?? task.choices, seeds) };
  }

  /** Runs a request of the journal. See `Runner`. */
  async *run({ head, known, signal }: RunInit): AsyncGenerator<string, void> {
    const asked = decodeAsked(head.request);
    const trace = head.trace === undefined ? undefined : { traceparent: head.trace };
    const task = tracedTask(await this.#taskOf(asked), trace);
    const resumed = task.choices.map((choice) => new ResumedChoice(choice));
    for (const record of known) {
      const { index, event, progress } = decodeEvent(record);
      resumed[index]?.known(event, progress);
    }
    const fresh = known.length === 0;
    for (let since = performance.now();;) {
      try {
        for await (const step of this.#go(asked, task, resumed, { head, signal })) {
          if (!fresh) {
            const progress = step.event.type === "delta" ? step.event.progress : undefined;
            resumed[step.index].known(step.event, progress);
            since = performance.now();
          }
          yield encodeEvent(step);
        }
        return;
      } catch (error) {
        // Where a request is gone on with, something serves soon, or serves again.
        const waits = !fresh && toHttpError(error).status >= 502 &&
          performance.now() - since < SERVED_MS;
        if (signal.aborted || !waits) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      signal.throwIfAborted();
    }
  }

  /** The events of the choices that have not ended, without those that the journal has. */
  async *#go(
    { model }: AskedRequest,
    task: ApiTask,
    resumed: ResumedChoice[],
    { head, signal }: { head: EntryHead; signal: AbortSignal },
  ): AsyncGenerator<ChoiceEvent, void> {
    const { generator } = this.#options;
    const card = cardOf(generator, task);
    if (card && card.name !== model) throw answerDiffers(head.id);
    const left = resumed.flatMap((choice, index) => choice.done ? [] : [{ index, choice }]);
    const unheard = left.map(({ choice }) => choice.begin());
    const requests = left.map(({ choice }) => choice.again());
    for await (const { index, event } of runChoices(generator, requests, signal)) {
      const rest = unheard[index].take(event);
      if (rest === DIFFERS) throw answerDiffers(head.id);
      if (rest) yield { index: left[index].index, event: rest };
    }
  }
}

/** A choice, how far it has come, and what was told of it. */
class ResumedChoice {
  done = false;
  readonly #choice: ApiChoice;
  #state?: AnswerState;
  readonly #told: NonNullable<ReturnType<typeof decodeEvent>["event"]>[] = [];

  constructor(choice: ApiChoice) {
    this.#choice = choice;
  }

  known(
    event: ReturnType<typeof decodeEvent>["event"],
    progress: ReturnType<typeof decodeEvent>["progress"],
  ): void {
    if (progress) addProgress(this.#state ??= emptyAnswer(), progress);
    if (event) this.#told.push(event);
    if (event?.type === "done") this.done = true;
  }

  /** Knows what was told, and nothing that has come again. */
  begin(): UnheardEvents {
    const unheard = new UnheardEvents();
    for (const event of this.#told) unheard.known(event);
    return unheard;
  }

  /** The choice, to be gone on with. Its text is told from the beginning: calls and thoughts are read in it. */
  again(): ApiChoice {
    const { prompt, request } = this.#choice;
    const state = this.#state;
    const resumed = state && {
      ...{ outline: state.outline, scored: false },
      lanes: state.lanes.map((lane) => ({ ...lane, tokens: [...lane.tokens], told: 0 })),
    };
    return { prompt, request: { ...request, progress: true, ...(resumed && { resumed }) } };
  }
}

/** The events of a request's records. */
async function* eventsOf(records: AsyncGenerator<string, void>): AsyncGenerator<ChoiceEvent, void> {
  for await (const record of records) {
    const { index, event } = decodeEvent(record);
    if (event) yield { index, event };
  }
}

function headOf(
  { path, body, task, model, owner, trace }: RouteRequest,
  { id, seed, keepMs }: { id: string; seed?: number; keepMs: number },
): EntryHead {
  const drawn = seedsOf(task);
  const shift = seed === undefined ? 0 : seed - (drawn[0] ?? 0);
  const seeds = drawn.map((own) => Number(BigInt.asUintN(32, BigInt(own) + BigInt(shift))));
  const asked: AskedRequest = {
    ...{ version: 1, path, body, model, createdS: nowS(), seeds },
    ...(task.local && { choices: task.choices }),
  };
  const traced = trace && { trace: trace.traceparent };
  return { id, request: encodeAsked(asked), owner, keep_ms: keepMs, ...traced };
}

/** The seed of each choice; one that is left out is drawn at random. */
const seedsOf = ({ choices }: ApiTask): number[] =>
  choices.map(({ request }) =>
    request.sampling.seed ?? crypto.getRandomValues(new Uint32Array(1))[0]
  );

/** The choices with these seeds. */
const seeded = (choices: ApiChoice[], seeds: number[]): ApiChoice[] =>
  choices.map(({ prompt, request }, i) => ({
    prompt,
    request: { ...request, sampling: { ...request.sampling, seed: seeds[i] } },
  }));

/** The text of a key, which clients may put into quotes. Throws group `api`, code `invalid_value`. */
function checkedKey(key: string): string {
  const text = /^"(.*)"$/.exec(key.trim())?.[1] ?? key.trim();
  if (text.length > 0 && text.length <= MOST_KEY_CHARS) return text;
  throw apiError(
    "invalid_value",
    `Idempotency-Key: expected 1 to ${MOST_KEY_CHARS} characters, got ${text.length}`,
    "Idempotency-Key",
  );
}
