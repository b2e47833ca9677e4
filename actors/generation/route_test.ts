import assert from "node:assert/strict";
import type { RouteFigures } from "../pipeline/mod.ts";
import {
  oneFailed,
  predicted,
  quickerRoute,
  type RoutedRequest,
  routeLearned,
  type RouteSituation,
  sharedWith,
} from "./route.ts";

const figures = (row: number, round: number): RouteFigures => ({
  first_token: [32, 256, 1024].map((n) => ({ prompt_tokens: n, ms: n * row })),
  round: [1, 4, 16].map((lanes) => ({ lanes, ms: round * (0.8 + 0.2 * lanes) })),
});
/** One node has slow prompts, the pipeline slow rounds. */
const idle: RouteSituation = {
  figures: { one: figures(8, 40), pipeline: figures(3, 60) },
  stages: 4,
  shared: true,
};
const asked = (prompt: number, tokens: number, more: Partial<RoutedRequest> = {}) => ({
  prompt,
  tokens,
  lanes: 1,
  kind: "plain" as const,
  ...more,
});
const busy = (lanes: number, prompt_rows = 0, reused = 0) => ({
  requests: lanes,
  lanes,
  prompt_rows,
  reused,
});

Deno.test("quickerRoute() takes one node for short prompts and long answers, the pipeline for the reverse", () => {
  assert.equal(quickerRoute(asked(32, 64), idle).route, "one");
  assert.equal(quickerRoute(asked(1024, 16), idle).route, "pipeline");
  assert.match(
    quickerRoute(asked(32, 64), idle).why,
    /^one node: one node would take 2\.78 s, the pipeline 3\.88 s$/,
  );
});

Deno.test("quickerRoute() counts the rows of the prompt that a route has in its cache", () => {
  assert.equal(quickerRoute(asked(512, 64), idle).route, "pipeline");
  const cached = { ...idle, one: busy(0, 0, 500) };
  assert.equal(quickerRoute(asked(512, 64), cached).route, "one");
});

Deno.test("quickerRoute() counts what runs on a route, and what the other takes of a shared node", () => {
  assert.equal(quickerRoute(asked(32, 64), { ...idle, one: busy(8) }).route, "pipeline");
  assert.equal(quickerRoute(asked(32, 64), { ...idle, one: busy(0, 900) }).route, "pipeline");
  const alone = predicted("one", asked(32, 64), idle);
  const beside = predicted("one", asked(32, 64), { ...idle, pipeline: busy(4) });
  assert.ok(Math.abs(beside.decodeMs / alone.decodeMs - 2) < 1e-9, "both want the node at once");
  const apart = predicted("one", asked(32, 64), { ...idle, shared: false, pipeline: busy(4) });
  assert.deepEqual(apart, alone);
});

Deno.test("quickerRoute() does not send requests that come at once to one node", () => {
  const round = [1, 4, 16].map((lanes) => ({ lanes, ms: 60 * (0.95 + 0.05 * lanes) }));
  const pipeline = { ...idle.figures.pipeline, round };
  const taken = [0, 1, 2, 4, 8].map((unseen) =>
    quickerRoute(asked(32, 64), { ...idle, figures: { ...idle.figures, pipeline }, unseen }).route
  );
  assert.equal(taken[0], "one");
  assert.equal(taken.at(-1), "pipeline");
});

Deno.test("sharedWith() counts the lanes that were there meanwhile, whatever was there at first", () => {
  const request = asked(32, 64);
  const s = sharedWith(3, "one", { ...idle, unseen: 7 });
  assert.deepEqual(
    predicted("one", request, s),
    predicted("one", request, { ...idle, one: busy(3) }),
  );
});

Deno.test("quickerRoute() avoids one node after it has failed, for some requests", () => {
  let measured: Record<string, number[]> = oneFailed();
  let requests = 0;
  for (; requests < 100; requests++) {
    const s = { ...idle, measured };
    const { route } = quickerRoute(asked(32, 64), s);
    if (route === "one") break;
    const learned = { route, request: asked(32, 64), firstMs: 96, decodeMs: 3780 };
    measured = { ...measured, ...routeLearned(learned, s) };
  }
  assert.equal(requests, 16);
});

/** Requests in turn, with the true times of either route; gives the routes that they took. */
function served(count: number, truth: Record<"one" | "pipeline", number>): string[] {
  let measured: Record<string, number[]> = {};
  const request = asked(64, 64);
  return Array.from({ length: count }, () => {
    const s = { ...idle, measured };
    const { route } = quickerRoute(request, s);
    const { firstMs, decodeMs } = predicted(route, request, s);
    const took = {
      route,
      request,
      firstMs: firstMs * truth[route],
      decodeMs: decodeMs * truth[route],
    };
    measured = { ...measured, ...routeLearned(took, s) };
    return route;
  });
}

Deno.test("routeLearned() corrects the plan: the route that is quicker in truth is taken, and the other seldom", () => {
  for (
    const [truth, right] of [[{ one: 2, pipeline: 1 }, "pipeline"], [
      { one: 1, pipeline: 1 },
      "one",
    ]] as const
  ) {
    const routes = served(200, truth);
    const wrong = routes.slice(10).filter((r) => r !== right).length;
    assert.ok(wrong <= 10, `${wrong} of 190 went the slower way`);
  }
});

Deno.test("quickerRoute() measures a route that is little slower by the plan, once the other is known", () => {
  const close = { ...idle, figures: { one: figures(3, 63), pipeline: figures(3, 60) } };
  const measured = { pipeline_first: [1, 3], pipeline_plain: [1, 3] };
  const { route, why } = quickerRoute(asked(64, 64), { ...close, measured });
  assert.equal(route, "one");
  assert.match(why, /to measure it/);
  const known = { ...measured, one_plain: [1, 1] };
  assert.equal(quickerRoute(asked(64, 64), { ...close, measured: known }).route, "pipeline");
});
