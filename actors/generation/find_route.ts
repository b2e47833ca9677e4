/**
 * Asks what a request needs to know to choose its route.
 *
 * @module
 */
import { arbiterActor, type Outlook } from "../arbiter/mod.ts";
import type { MakeOutlineText } from "../outline/mod.ts";
import { stageActor } from "../pipeline/mod.ts";
import { type ActorContext, hasCode, type WireError } from "../system/mod.ts";
import type { Start } from "./messages.ts";
import { decideMode, type ModeChoice } from "./mode.ts";
import {
  type AnswerKind,
  quickerRoute,
  type RouteChoice,
  type RoutedRequest,
  type RouteSituation,
} from "./route.ts";

/** Milliseconds in which an arbiter or a stage must say how busy it is. */
const LOOK_MS = 250;
/** Tokens of an outline for each of its points. */
const POINT_TOKENS = 6;
/** Milliseconds in which a stage must take the message that loads it. */
const WARM_MS = 10_000;

/** A route, and what it was chosen by. */
export interface FoundRoute extends RouteChoice {
  /** What is to be learned from the request; undefined: nothing is. */
  learn?: { request: RoutedRequest; situation: RouteSituation };
}

/** The pipeline, after the stage with the whole model has failed the request. */
export function afterFailure(error: WireError): FoundRoute {
  return {
    route: "pipeline",
    why: `the pipeline, since one node failed: ${error.message}`,
    failed: true,
  };
}

/** The same route, for an answer that had `tokens` tokens when its stages were lost. */
export function afterPause(route: FoundRoute, { message }: WireError, tokens: number): FoundRoute {
  const why = `it went on after ${tokens} tokens since its stages were lost: ${message}`;
  return { ...route, why: [route.why, why].filter((part) => part !== "").join("; ") };
}

/** The fields of a start message that say which stages compute it. */
export function onRoute(start: Start, { route }: RouteChoice): Start {
  const { solo } = start;
  if (route !== "one" || !solo) return start;
  return { ...start, arbiter: solo.arbiter, stages: 1, nodes: solo.nodes };
}

/** The route of a request: as it asks, or the quicker one. */
export async function findRoute(ctx: ActorContext, start: Start): Promise<FoundRoute> {
  const { solo, route: asked, stages, shape } = start;
  if (!solo) {
    const why = asked === "one" && stages > 1
      ? "the pipeline though one node was asked for: no node has the whole model"
      : "";
    return { route: stages === 1 ? "one" : "pipeline", why };
  }
  const learned = shape.routes && routed(ctx, start);
  if (asked !== "auto") {
    const why = asked === "one" ? "one node as asked" : "the pipeline as asked";
    const learn = learned && { request: learned, situation: situationOf(start) };
    return { route: asked, why, ...(learn && { learn }) };
  }
  if (!learned) return { route: "pipeline", why: "the pipeline: nothing is known of one node" };
  const [one, pipeline] = await Promise.all([
    outlook(ctx, solo.arbiter, start),
    outlook(ctx, start.arbiter, start),
  ]);
  const seen = (one?.requests ?? 0) + (pipeline?.requests ?? 0);
  const unseen = Math.max(0, (start.others ?? 0) - seen);
  const situation = { ...situationOf(start), one, pipeline, unseen };
  const learn = { request: learned, situation };
  const choice = quickerRoute(learned, situation);
  if (choice.route === "pipeline" || one || await loaded(ctx, solo.stage)) {
    return { ...choice, learn };
  }
  // Its memory was given back while nothing asked for it.
  void ctx.at(stageActor, solo.stage).tell.warm({}, { deadlineMs: WARM_MS }).catch(() => {});
  return { route: "pipeline", why: "the pipeline while one node loads the model", learn };
}

function situationOf({ shape, stages, solo, measured }: Start): RouteSituation {
  return { figures: shape.routes!, stages, shared: solo!.shared, measured };
}

/** What the request is expected to take; undefined: it cannot be answered as it asks. */
function routed(ctx: ActorContext, start: Start): RoutedRequest | undefined {
  const { mode, prompt, max_tokens, answer_tokens } = start;
  const words = mode === "auto" || mode.startsWith("outline")
    ? ctx.resource<MakeOutlineText>("outline")()
    : undefined;
  let choice: ModeChoice;
  try {
    choice = decideMode(start, words);
  } catch {
    return undefined; // the run will say why
  }
  const { points, shape, max_branches = shape.max_branches } = start;
  const branches = Math.min(max_branches, points?.length ?? max_branches);
  return {
    prompt: prompt.length,
    tokens: Math.min(max_tokens, answer_tokens ?? max_tokens),
    lanes: choice.outline ? Math.max(1, branches) : 1,
    outline: choice.outline && !points ? POINT_TOKENS * branches : 0,
    kind: kindOf(choice),
  };
}

const kindOf = ({ outline, draftLength }: ModeChoice): AnswerKind =>
  outline ? "outline" : draftLength > 0 ? "speculative" : "plain";

/** What the arbiter has under way; undefined: it has no requests, or does not answer in time. */
async function outlook(
  ctx: ActorContext,
  arbiter: string,
  { prompt, reuse }: Start,
): Promise<Outlook | undefined> {
  try {
    const found = await ctx.at(arbiterActor, arbiter).outlook({ prompt }, { deadlineMs: LOOK_MS });
    return reuse ? found : { ...found, reused: 0 };
  } catch {
    return undefined;
  }
}

/** Whether a stage has its layers in memory. */
async function loaded(ctx: ActorContext, stage: string): Promise<boolean> {
  try {
    await ctx.at(stageActor, stage).stats({}, { deadlineMs: LOOK_MS });
    return true;
  } catch (error) {
    // a stage that computes answers late, and is loaded
    return hasCode(error, "deadline_exceeded");
  }
}
