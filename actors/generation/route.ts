/**
 * Which stages compute a request: the pipeline, or the stage with the whole model. Pure.
 *
 * Both routes' times are predicted from the plan's figures, times what requests of this deployment
 * took compared with those figures, with the prompt's rows that each route has in its cache, and
 * with what runs on either. The shorter time wins.
 *
 * @module
 */
import type { Outlook } from "../arbiter/mod.ts";
import type { RequestRoute } from "../outline/mod.ts";
import type { RouteFigures } from "../pipeline/mod.ts";

/** A route that was chosen. */
export type TakenRoute = Exclude<RequestRoute, "auto">;
/**
 * How an answer is made. Frames with drafts or branches have other rows than plain ones, and rounds
 * give other numbers of tokens: each kind is measured for itself.
 */
export type AnswerKind = "plain" | "speculative" | "outline";

/** What requests took on a route, as a multiple of the plan's figures. */
interface Correction {
  ratio: number;
  /** Requests that were measured. */
  count: number;
}

/** Least weight of the newest request in a correction, 0 to 1. */
const NEWEST = 0.2;
/** Range of a correction: beyond it something else than the stages' speed was measured. */
const RATIOS = [0.1, 20] as const;
/**
 * Share by which a correction fades with each request that takes the other route, 0 to 1: what was
 * slow once is tried again some time.
 */
const FADING = 0.02;
/**
 * A route that was never measured is tried where it is predicted to take at most this much longer:
 * plans err by so much.
 */
const CURIOSITY = 1.2;
/** Requests of the other route that are measured before that. */
const SETTLED = 3;
/** Requests that take the pipeline after the whole model has failed. */
const AVOIDED = 16;
/** Rows of a branch's own prompt. */
const POINT_ROWS = 12;
/** Least time that is divided by, in milliseconds. */
const LEAST_MS = 1e-3;

/** A request whose route is to be chosen. */
export interface RoutedRequest {
  /** Rows of its prompt. */
  prompt: number;
  /** Tokens that its answer is expected to have, all branches together. */
  tokens: number;
  /** Lanes that it will have. */
  lanes: number;
  /** What kind of answer it is. */
  kind: AnswerKind;
  /** Tokens of the outline that is written before its lanes begin. @default 0 */
  outline?: number;
  /**
   * Rounds that its lanes took, all together: a draft that comes true saves one. Undefined: as many
   * as requests of its kind took for so many tokens.
   */
  turns?: number;
}

/** What is known of both routes. */
export interface RouteSituation {
  /** The plan's figures. */
  figures: { one: RouteFigures; pipeline: RouteFigures };
  /** What is under way on either; undefined: nothing is. */
  one?: Outlook;
  /** The same of the pipeline. */
  pipeline?: Outlook;
  /** Stages of the pipeline. */
  stages: number;
  /** Whether the whole model's node also has a stage of the pipeline. */
  shared: boolean;
  /** Other requests that have begun and are at neither arbiter yet. @default 0 */
  unseen?: number;
  /** `Done.measured` of earlier requests. */
  measured?: Record<string, number[]>;
}

/** A choice and its reason. */
export interface RouteChoice {
  /** The route that the request takes. */
  route: TakenRoute;
  /** One clause; empty: there was nothing to choose. */
  why: string;
  /** The other route has failed this request. */
  failed?: boolean;
}

/** The time of a request on a route, in milliseconds. */
interface Prediction {
  firstMs: number;
  decodeMs: number;
}

/** The quicker route. */
export function quickerRoute(request: RoutedRequest, s: RouteSituation): RouteChoice {
  const failed = s.measured?.one_failed?.[0] ?? 0;
  if (failed > 0) return { route: "pipeline", why: "one node failed a moment ago" };
  const [one, pipeline] = (["one", "pipeline"] as const).map((route) => {
    const { firstMs, decodeMs } = predicted(route, request, s);
    return firstMs * correction(s.measured, `${route}_first`).ratio +
      decodeMs * kindCorrection(s.measured, route, request.kind).ratio;
  });
  const counts = { one: countOf(s, "one", request), pipeline: countOf(s, "pipeline", request) };
  const best: TakenRoute = one < pipeline ? "one" : "pipeline";
  const other: TakenRoute = best === "one" ? "pipeline" : "one";
  const ms = { one, pipeline };
  const compared = `one node would take ${seconds(one)}, the pipeline ${seconds(pipeline)}`;
  const unknown = counts[other] === 0 && counts[best] >= SETTLED;
  if (unknown && ms[other] <= CURIOSITY * ms[best]) {
    return { route: other, why: `${nameOf(other)}, to measure it: ${compared}` };
  }
  return { route: best, why: `${nameOf(best)}: ${compared}` };
}

const nameOf = (route: TakenRoute) => route === "one" ? "one node" : "the pipeline";

/** Milliseconds by the plan's figures, uncorrected. */
export function predicted(
  route: TakenRoute,
  { prompt, tokens, lanes, kind, outline = 0, turns }: RoutedRequest,
  s: RouteSituation,
): Prediction {
  const figures = s.figures[route];
  const own = s[route];
  // Those that nothing is known of are taken for requests like this one on the same route: requests
  // that come at once would otherwise all take the one that is idle.
  const { unseen = 0 } = s;
  const waiting = (own?.prompt_rows ?? 0) + unseen * prompt;
  const rows = Math.max(1, prompt - (own?.reused ?? 0)) + waiting;
  const all = lanes + (own?.lanes ?? 0) + unseen;
  const slowed = 1 + interference(route, all, s);
  const rounds = (turns ?? tokens / correction(s.measured, `${kind}_yield`).ratio) / lanes;
  const before = kind === "outline"
    ? outline * roundMs(figures, all - lanes + 1) + firstTokenMs(figures, POINT_ROWS * lanes)
    : 0;
  return {
    firstMs: slowed * firstTokenMs(figures, rows),
    decodeMs: slowed * (Math.max(0, rounds - 1) * roundMs(figures, all) + before),
  };
}

/**
 * Share, 0 to 1, by which a route is slowed down because the other one computes on the same node:
 * as far as the pipeline's stage there is busy, both want the processor at once.
 */
function interference(route: TakenRoute, lanes: number, s: RouteSituation): number {
  if (!s.shared) return 0;
  const other = route === "one" ? s.pipeline : s.one;
  const busy = (other?.lanes ?? 0) > 0 || (other?.prompt_rows ?? 0) > 0;
  if (!busy) return 0;
  const pipelined = route === "pipeline" ? lanes : other!.lanes;
  const filled = route === "one" && other!.prompt_rows > 0;
  return filled ? 1 : Math.min(1, pipelined / s.stages);
}

/** Milliseconds to the first token after a prompt of `rows` rows. */
function firstTokenMs({ first_token }: RouteFigures, rows: number): number {
  return interpolated(first_token.map((f) => [f.prompt_tokens, f.ms]), rows);
}

/** Milliseconds of a round in which each of `lanes` lanes gets a token. */
function roundMs({ round }: RouteFigures, lanes: number): number {
  return interpolated(round.map((r) => [r.lanes, r.ms]), lanes);
}

/**
 * A straight line between the nearest points; below the first its value, and beyond the last in
 * proportion to it.
 */
function interpolated(points: [x: number, y: number][], x: number): number {
  const at = points.findIndex(([px]) => px >= x);
  if (at === 0) return points[0][1];
  const [lx, ly] = at < 0 ? points.at(-1)! : points[at - 1];
  if (at < 0) return ly * x / lx;
  const [hx, hy] = points[at];
  return ly + (x - lx) / (hx - lx) * (hy - ly);
}

/** What a request took. Times in milliseconds. */
export interface RouteMeasurement {
  route: TakenRoute;
  /** The request, with the tokens that its answer had. */
  request: RoutedRequest;
  /** Until the first token; undefined: something else than the stages took part of it. */
  firstMs?: number;
  /** From the first token to the last. */
  decodeMs: number;
}

/**
 * A situation as it turned out: `lanes` lanes of other requests, in the mean, shared the route with
 * the request.
 */
export function sharedWith(lanes: number, route: TakenRoute, s: RouteSituation): RouteSituation {
  return {
    ...s,
    unseen: 0,
    [route]: { reused: 0, prompt_rows: 0, requests: 0, ...s[route], lanes },
  };
}

/** Fields of `Done.measured` after a request was measured. */
export function routeLearned(
  { route, request, firstMs, decodeMs }: RouteMeasurement,
  s: RouteSituation,
): Record<string, number[]> {
  const plan = predicted(route, request, s);
  const other: TakenRoute = route === "one" ? "pipeline" : "one";
  const learned: Record<string, number[]> = {};
  const take = (key: string, ms: number, by: number) => {
    if (by < LEAST_MS) return;
    const { ratio, count } = correction(s.measured, key);
    const [least, most] = RATIOS;
    const newest = Math.min(most, Math.max(least, ms / by));
    const weight = Math.max(NEWEST, 1 / (count + 2)); // the plan's figure counts as one request
    learned[key] = [ratio + weight * (newest - ratio), count + 1];
  };
  if (firstMs !== undefined && request.kind !== "outline") {
    take(`${route}_first`, firstMs, plan.firstMs);
  }
  take(`${route}_${request.kind}`, decodeMs, plan.decodeMs);
  if (request.turns) take(`${request.kind}_yield`, request.tokens, request.turns);
  for (const key of [`${other}_first`, `${other}_${request.kind}`]) {
    const { ratio, count } = correction(s.measured, key);
    if (count > 0) learned[key] = [ratio + FADING * (1 - ratio), count];
  }
  const failed = s.measured?.one_failed?.[0] ?? 0;
  if (route === "pipeline" && failed > 0) learned.one_failed = [failed - 1];
  return learned;
}

/** Fields of `Done.measured` after the whole model has failed a request. */
export const oneFailed = (): Record<string, number[]> => ({ one_failed: [AVOIDED] });

function correction(measured: RouteSituation["measured"], key: string): Correction {
  const [ratio = 1, count = 0] = measured?.[key] ?? [];
  return { ratio, count };
}

/**
 * The correction of a kind of answer on a route; where none was measured there, that of plain ones.
 */
function kindCorrection(
  measured: RouteSituation["measured"],
  route: TakenRoute,
  kind: AnswerKind,
): Correction {
  const own = correction(measured, `${route}_${kind}`);
  return own.count > 0 ? own : correction(measured, `${route}_plain`);
}

/** Requests of this kind that were measured on a route. */
const countOf = ({ measured }: RouteSituation, route: TakenRoute, { kind }: RoutedRequest) =>
  correction(measured, `${route}_${kind}`).count;

const seconds = (ms: number) => `${Number((ms / 1000).toPrecision(3))} s`;
