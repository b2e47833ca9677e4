/**
 * The handler of a route that generates text.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { hasCode } from "../../actors/mod.ts";
import { streamedAnswer, wholeAnswer } from "./answer.ts";
import { type BodyLimits, readJson } from "./body.ts";
import type { AnswerTotals, ApiTask, Dialect } from "./dialect.ts";
import { type ApiContext, stopper } from "./env.ts";
import { apiError } from "./errors.ts";
import { findModel } from "./find_model.ts";
import type { Generator, ModelCard } from "./generator.ts";

const log = getLogger(["orrery", "api"]);

/** What answers requests, and within which bounds. */
export interface AnswerRouteOptions {
  generator: Generator;
  /** Bounds of the request body. */
  body: BodyLimits;
  /** Milliseconds without an event after which a stream says that it lives. */
  keepAliveMs: number;
}

/** Answers a request whose body the dialect reads, whole or streamed. */
export function answerRoute(options: AnswerRouteOptions, dialect: Dialect) {
  const { generator, keepAliveMs } = options;
  return async (c: ApiContext): Promise<Response> => {
    const body = await readJson(c.req.raw, options.body);
    const task = await dialect.parse(body, { cards: generator.models() });
    const card = cardOf(generator, task);
    tellLimits(c, generator);
    const stop = new AbortController();
    const abort = stopper(c, stop);
    const init = { generator, task, model: card?.name ?? "default", signal: stop.signal };
    const onEnd = (totals: AnswerTotals, error?: unknown) => {
      abort.release();
      report(c.get("requestId"), totals, error);
    };
    try {
      if (!task.stream) {
        const { body, totals } = await wholeAnswer(init);
        onEnd(totals);
        return c.json(body as object);
      }
      const stream = await streamedAnswer(init, { keepAliveMs, onEnd, stop: () => stop.abort() });
      return c.body(stream, 200, {
        "content-type": task.wording.streamType,
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
      });
    } catch (error) {
      abort.release();
      throw error;
    }
  };
}

/**
 * The card of the model that a task asks for; undefined while none is served: `generate` then says
 * why. Throws `model_not_found`, and `invalid_value` for a biased token id that it does not have.
 */
export function cardOf(generator: Generator, task: ApiTask): ModelCard | undefined {
  const cards = generator.models();
  if (cards.length === 0) return undefined;
  const card = findModel(cards, task.model);
  const wrong = task.choices[0]?.request.sampling.logit_bias?.find(([id]) => id >= card.vocab);
  if (wrong) {
    const message = `logit_bias: token ${
      wrong[0]
    } is outside the model's vocabulary of ${card.vocab}`;
    throw apiError("invalid_value", message, `logit_bias.${wrong[0]}`);
  }
  return card;
}

/** Tells the client in headers how many more requests would be taken now, this one among them. */
function tellLimits(c: ApiContext, generator: Generator): void {
  const limits = generator.limits?.();
  if (!limits) return;
  c.header("x-ratelimit-limit-requests", String(limits.most));
  c.header("x-ratelimit-remaining-requests", String(Math.max(0, limits.left - 1)));
  c.header("x-ratelimit-reset-requests", `${limits.resetS}s`);
}

/** Logs how a task ended. */
function report(request: string, totals: AnswerTotals, error?: unknown): void {
  const { promptTokens, completionTokens, ttftMs, tpotMs } = totals;
  const facts = { promptTokens, completionTokens, ttftMs, tpotMs };
  if (error === undefined) log.info("request {request} answered", { request, ...facts });
  else if (hasCode(error, "client_closed")) {
    log.info("request {request}: the client went away", { request, ...facts });
  } else log.warn("request {request} ended early: {error}", { request, error, ...facts });
}
