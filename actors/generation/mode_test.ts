import assert from "node:assert/strict";
import { shapeSchema } from "../pipeline/mod.ts";
import type { OutlineText } from "../outline/contract.ts";
import type { Start } from "./messages.ts";
import { decideMode, reportMode } from "./mode.ts";

/** A start whose deployment's graph says so much. */
function start(
  more: Partial<Start>,
  policy?: Start["shape"]["policy"],
  draft_length?: number,
): Start {
  return {
    prompt: Int32Array.of(1, 2),
    max_tokens: 200,
    sampling: { presence_penalty: 0, frequency_penalty: 0, logprobs: false, top_logprobs: 0 },
    stop: [],
    eos: [],
    stages: 2,
    nodes: 2,
    context: 1000,
    mode: "auto",
    shape: shapeSchema.parse({ policy, draft_length }),
    answer_tokens: 200,
    ...more,
  } as Start;
}

Deno.test("decideMode() bounds drafts by the graph's draft length, and orders none by it, when the request does not say", () => {
  assert.equal(decideMode(start({}), undefined).draftLength, 8);
  assert.equal(decideMode(start({}, { draft_length: 3 }), undefined).draftLength, 3);
  assert.equal(
    decideMode(start({}, { draft_length: 3 }, 2), undefined).draftLength,
    2,
    "the plan's is shorter",
  );
  assert.equal(
    decideMode(start({ prediction: Int32Array.of(1) }, { draft_length: 3 }), undefined).draftLength,
    3,
  );
  assert.equal(decideMode(start({}, { draft_length: 0 }), undefined).draftLength, 0);
  const own = decideMode(
    start({ mode: "speculative", draft_length: 6 }, { draft_length: 3 }),
    undefined,
  );
  assert.deepEqual([own.draftLength, own.always], [6, true], "the request says");
  const graph = decideMode(start({ mode: "speculative" }, { draft_length: 3 }), undefined);
  assert.deepEqual([graph.draftLength, graph.always], [3, false]);
  const idle = decideMode(start({ drafter: "d/drafter/main" }, { draft_length: 3 }, 0), undefined);
  assert.equal(idle.noModel, "the plan says that a draft model does not pay");
});

Deno.test("decideMode() takes an outline that the router advises against, when graph or request asks for it", () => {
  const words = {
    route: { suited: false, why: "" },
    outlinePrompt: () => Int32Array.of(1),
  } as OutlineText;
  for (const mode_by of ["graph", "request"] as const) {
    assert.ok(decideMode(start({ mode: "outline", mode_by }), words).outline);
  }
  assert.equal(decideMode(start({}), words).outline, false);
});

Deno.test("reportMode() says whether the graph or the request chose the mode", () => {
  const why = (asked: Start["mode"], by: Start["mode_by"]) =>
    reportMode({ outline: false, draftLength: 0, always: false, outlineWhy: "" }, {
      asked,
      by,
      generated: 9,
    })
      .why;
  assert.equal(why("plain", "graph"), "plain as the graph says");
  assert.equal(why("outline", "graph"), "plain though the graph says outline");
  assert.equal(why("plain", "request"), "plain as asked");
  assert.equal(why("outline", "request"), "plain though outline was asked for");
  assert.equal(why("auto", "request"), "plain chosen");
});

Deno.test("decideMode() answers with a refusal plainly, whatever is asked for, and says why", () => {
  const words = { route: { suited: true, why: "it lists" } } as OutlineText;
  for (const mode of ["auto", "plain", "outline", "outline+speculative"] as const) {
    const asked = start({ mode, refuses: true, constrained: true, points: ["One"] });
    const choice = decideMode(asked, words);
    assert.equal(choice.outline, false);
    const { mode: done, why } = reportMode(choice, { asked: mode, generated: 9 });
    assert.equal(done, "plain");
    assert.match(why, /; the question is about nothing that the model has learned$/);
  }
});
