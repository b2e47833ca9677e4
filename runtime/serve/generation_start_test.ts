import assert from "node:assert/strict";
import { deploymentSchema, hasCode, type RequestPolicy, shapeSchema } from "../../actors/mod.ts";
import type { GenerateRequest } from "../api/mod.ts";
import { requestedStart } from "./generation_start.ts";
import type { ServedModel } from "./served_model.ts";

const model = {
  card: { name: "m", context: 1000, vocab: 50 },
  eos: [2],
  defaults: { sampling: { temperature: 0.6, top_k: 20 }, maxTokens: 100 },
  encode: (prompt: GenerateRequest["prompt"]) =>
    Int32Array.from(prompt.kind === "tokens" ? prompt.tokens : []),
  encodeText: (text: string) => Int32Array.from(text, (c) => c.charCodeAt(0) % 50),
} as unknown as ServedModel;

function start(more: Partial<GenerateRequest> = {}, policy?: RequestPolicy) {
  const request: GenerateRequest = {
    model: "default",
    prompt: { kind: "tokens", tokens: [1, 2, 3] },
    sampling: {},
    stop: [],
    ...more,
  };
  const deployment = deploymentSchema.parse({
    id: "d",
    model: "m",
    source: "n",
    stages: [{ node: "n", first: 0, last: 0 }],
    members: [],
    shape: shapeSchema.parse({ policy }),
  });
  return requestedStart(request, model, deployment);
}

Deno.test("requestedStart() limits an answer by the request, the model, and the context's room", () => {
  assert.equal(start({ maxTokens: 7 }).max_tokens, 7);
  assert.equal(start().max_tokens, 100);
  const tokens = Array.from({ length: 950 }, () => 1);
  assert.equal(start({ prompt: { kind: "tokens", tokens } }).max_tokens, 50);
  assert.equal(start({ maxTokens: 998 }).max_tokens, 997);
  assert.equal(start({ maxTokens: 998, mode: "outline" }).outline_tokens, 997);
  assert.equal(start({ prompt: { kind: "tokens", tokens: Array(999).fill(1) } }).max_tokens, 1);
  assert.throws(
    () => start({ prompt: { kind: "tokens", tokens: Array(1000).fill(1) } }),
    (e) =>
      hasCode(e, "context_exceeded") && e.message.includes("maximum context length") &&
      e.metadata.prompt_tokens === 1000,
  );
});

Deno.test("requestedStart() gives an outline four plain answers' tokens, or the request's limit", () => {
  assert.equal(start().outline_tokens, 400);
  assert.equal(start({ maxTokens: 7 }).outline_tokens, 7);
});

Deno.test("requestedStart() refuses a prompt without tokens or with tokens the model does not have", () => {
  for (const tokens of [[], [50], [-1]]) {
    assert.throws(
      () => start({ prompt: { kind: "tokens", tokens } }),
      (e) => hasCode(e, "invalid_prompt"),
      String(tokens),
    );
  }
  assert.throws(() => start({ prediction: [3, 50] }), (e) => hasCode(e, "invalid_prompt"));
});

Deno.test("requestedStart() samples as the request says, else as the model does", () => {
  const { sampling } = start({ sampling: { temperature: 1.5, top_k: undefined, seed: 9 } });
  assert.equal(sampling.temperature, 1.5);
  assert.equal(sampling.top_k, 20);
  assert.equal(sampling.seed, 9);
});

Deno.test("requestedStart() takes the graph's mode only where the request has neither mode nor points", () => {
  const modes = (more: Partial<GenerateRequest>, policy?: RequestPolicy) => {
    const { mode, mode_by } = start(more, policy);
    return [mode, mode_by];
  };
  assert.deepEqual(modes({}), ["auto", "request"]);
  assert.deepEqual(modes({}, { mode: "plain" }), ["plain", "graph"]);
  assert.deepEqual(modes({ mode: "auto" }, { mode: "plain" }), ["auto", "request"]);
  assert.deepEqual(modes({ points: ["a"] }, { mode: "plain" }), ["auto", "request"]);
});

Deno.test("requestedStart() cuts the prompt into the pieces that the request asks for", () => {
  const prompt = { kind: "tokens" as const, tokens: [1, 2, 3, 4, 5] };
  assert.deepEqual(start({ prompt, pieces: 2 }).pieces, [2, 3]);
  assert.deepEqual(start({ prompt, pieces: 9 }).pieces, [1, 1, 1, 1, 1]);
  assert.deepEqual(start({ prompt, pieceRows: 4 }).pieces, [4]);
  assert.equal(start({ prompt }).pieces, undefined);
});
