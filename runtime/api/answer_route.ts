/**
 * The handler of a route that generates text.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { hasCode } from "../../actors/mod.ts";
import type { KeyUsage } from "../access/mod.ts";
import { streamedAnswer, wholeAnswer } from "./answer.ts";
import { type BodyLimits, readJson } from "./body.ts";
import type { AnswerTotals, ApiTask, Dialect } from "./dialect.ts";
import { type ApiContext, stopper } from "./env.ts";
import { cardOf } from "./card_of.ts";
import type { Generator } from "./generator.ts";
import { type AnswerNames, freshNames } from "./answer_names.ts";
import {
  EventIds,
  type JournalledAnswer,
  type JournalledAnswers,
  streamPosition,
} from "./journal/mod.ts";
import { endTrace, logFacts, tracedTask } from "./request_trace.ts";
import { SSE_TYPE } from "./sse.ts";

const log = getLogger(["orrery", "api"]);

/** What answers requests, and within which bounds. */
export interface AnswerRouteOptions {
  generator: Generator;
  /** Bounds of the request body. */
  body: BodyLimits;
  /** Milliseconds without an event after which a stream says that it lives. */
  keepAliveMs: number;
  /** Keeps requests. @default they end with their connection */
  journal?: JournalledAnswers;
  /** What API keys use. */
  usage: KeyUsage;
}

/** What answers a request: events from the generator, or from the journal. */
interface AnswerSource {
  task: ApiTask;
  model: string;
  names?: AnswerNames;
  /** @default the task is run */
  events?: JournalledAnswer["events"];
  /** Gives the events of a stream their ids. */
  ids?: EventIds;
}

/**
 * Answers a request whose body the dialect reads, whole or streamed. `path`: the route's. With a
 * journal, a client that comes back with `Last-Event-ID` gets the rest of its stream, and one that
 * repeats an `Idempotency-Key` gets the answer of before.
 */
export function answerRoute(options: AnswerRouteOptions, path: string, dialect: Dialect) {
  const { generator, journal } = options;
  journal?.dialects.set(path, dialect);
  return async (c: ApiContext): Promise<Response> => {
    const body = await readJson(c.req.raw, options.body);
    const last = c.req.header("last-event-id");
    if (journal && last !== undefined) return await answerAgain(c, options, journal, last);
    const trace = c.get("span")?.context;
    const read = await dialect.parse(body, { cards: generator.models() });
    const task = tracedTask(read, trace);
    const model = cardOf(generator, task)?.name ?? "default";
    tellLimits(c, options);
    return await told(c, options, async (signal) => {
      if (!journal?.journals(task.model) || task.choices.length === 0) return { task, model };
      const owner = c.get("keyId") ?? "";
      const key = c.req.header("idempotency-key");
      const asked = { path, body, task, model, owner, key, trace };
      const answer = await journal.open(asked, signal);
      // The body is that of before: it was compared. Whether it is streamed is a part of it.
      return { ...answer, ids: new EventIds(answer.id) };
    });
  };
}

/** Answers a client that comes back: with the events that it does not have. */
async function answerAgain(
  c: ApiContext,
  options: AnswerRouteOptions,
  journal: JournalledAnswers,
  lastEventId: string,
): Promise<Response> {
  const { id, events } = streamPosition(lastEventId);
  return await told(c, options, async (signal) => {
    const answer = await journal.follow({ id, owner: c.get("keyId") ?? "" }, signal);
    return { ...answer, ids: new EventIds(id, events) };
  });
}

/**
 * The handler of `GET /v1/streams/{id}`: the stream of a request, from where `Last-Event-ID` says, or
 * from its beginning.
 */
export function streamRoute(options: AnswerRouteOptions, journal: JournalledAnswers) {
  return async (c: ApiContext): Promise<Response> => {
    const id = c.req.param("id")!;
    const { events } = streamPosition(c.req.header("last-event-id") ?? `${id}:0`);
    return await answerAgain(c, options, journal, `${id}:${events}`);
  };
}

/** Answers from this source, which the signal ends, whole or streamed. */
async function told(
  c: ApiContext,
  { generator, keepAliveMs, usage }: AnswerRouteOptions,
  open: (signal: AbortSignal) => Promise<AnswerSource>,
): Promise<Response> {
  const [key, limits] = [c.get("keyId"), c.get("keyLimits")];
  const used = key !== undefined && limits ? usage.begin(key, limits) : undefined;
  const stop = new AbortController();
  const abort = stopper(c, stop);
  const onEnd = (totals: AnswerTotals, error?: unknown) => {
    abort.release();
    used?.end(totals.promptTokens + totals.completionTokens);
    report(c, totals, error);
    if (c.get("streams")) endTrace(c, error);
  };
  try {
    const { task, names = freshNames(), ids, ...source } = await open(stop.signal);
    c.set("model", source.model);
    const init = { ...source, generator, task, names, signal: stop.signal };
    if (!task.stream) {
      const { body, totals } = await wholeAnswer(init);
      onEnd(totals);
      return c.json(body as object);
    }
    const { streamType } = task.wording;
    const stream = await streamedAnswer(init, {
      ...{ keepAliveMs, onEnd },
      stop: () => stop.abort(),
      ...(streamType === SSE_TYPE && ids && { number: (text: string) => ids.number(text) }),
    });
    c.set("streams", true);
    return c.body(stream, 200, {
      "content-type": streamType,
      "cache-control": "no-cache",
      "x-accel-buffering": "no",
    });
  } catch (error) {
    abort.release();
    used?.end(0);
    throw error;
  }
}

/**
 * Tells the client in headers how many more requests would be taken now, this one among them: of its
 * key where that has a limit, else of the node; and how many tokens its key has left.
 */
function tellLimits(c: ApiContext, { generator, usage }: AnswerRouteOptions): void {
  const [key, limits] = [c.get("keyId"), c.get("keyLimits")];
  const { requests, tokens } = key !== undefined && limits ? usage.room(key, limits) : {};
  const node = generator.limits?.();
  const most = requests?.limit ?? node?.most;
  if (most !== undefined) {
    const left = Math.min(requests?.left ?? Infinity, node?.left ?? Infinity);
    c.header("x-ratelimit-limit-requests", String(most));
    c.header("x-ratelimit-remaining-requests", String(Math.max(0, left - 1)));
    c.header("x-ratelimit-reset-requests", `${node?.resetS ?? 0}s`);
  }
  if (!tokens) return;
  c.header("x-ratelimit-limit-tokens", String(tokens.limit));
  c.header("x-ratelimit-remaining-tokens", String(tokens.left));
  c.header("x-ratelimit-reset-tokens", `${tokens.resetS}s`);
}

/** Logs how a task ended. */
function report(c: ApiContext, totals: AnswerTotals, error?: unknown): void {
  const { promptTokens, completionTokens, ttftMs, tpotMs } = totals;
  const facts = { ...logFacts(c), promptTokens, completionTokens, ttftMs, tpotMs };
  if (error === undefined) log.info("request {request} answered", facts);
  else if (hasCode(error, "client_closed")) {
    log.info("request {request}: the client went away", facts);
  } else log.warn("request {request} ended early: {error}", { error, ...facts });
}
