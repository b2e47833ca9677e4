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
  prepare: () => Promise.resolve(),
  encodeLong: (text: string) => Promise.resolve(Int32Array.from(text, (c) => c.charCodeAt(0) % 50)),
} as unknown as ServedModel;

function start(
  more: Partial<GenerateRequest> = {},
  policy?: RequestPolicy,
  room?: { node: string; rows: number; bytes: number },
) {
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
  return requestedStart(request, { model, deployment, room }, new AbortController().signal);
}

Deno.test("requestedStart() refuses what no node has KV memory for, with the numbers, and cuts what nobody asked for", async () => {
  const room = { node: "attic:1:x", rows: 40, bytes: 3 * 2 ** 20 };
  const prompt = (length: number): Partial<GenerateRequest> => ({
    prompt: { kind: "tokens", tokens: Array(length).fill(1) },
  });
  assert.equal((await start(prompt(30), undefined, room)).max_tokens, 10);
  assert.equal((await start({ ...prompt(30), maxTokens: 10 }, undefined, room)).max_tokens, 10);
  const refused = (length: number, maxTokens: number | undefined, text: RegExp, param: string) =>
    assert.rejects(
      start({ ...prompt(length), maxTokens }, undefined, room),
      (e) => hasCode(e, "kv_exceeded") && text.test(e.message) && e.metadata.param === param,
    );
  await refused(
    30,
    11,
    /needs 41 positions \(30 of the prompt, 11 of the answer\), and node attic:1:x has memory for 40 \(3 MiB\): ask for 10 tokens or fewer/,
    "max_tokens",
  );
  await refused(40, undefined, /shorten the prompt to 39 tokens or fewer/, "prompt");
});

Deno.test("requestedStart() limits an answer by the request, the model, and the context's room", async () => {
  assert.equal((await start({ maxTokens: 7 })).max_tokens, 7);
  assert.equal((await start()).max_tokens, 100);
  const tokens = Array.from({ length: 950 }, () => 1);
  assert.equal((await start({ prompt: { kind: "tokens", tokens } })).max_tokens, 50);
  assert.equal((await start({ maxTokens: 998 })).max_tokens, 997);
  assert.equal((await start({ maxTokens: 998, mode: "outline" })).outline_tokens, 997);
  assert.equal(
    (await start({ prompt: { kind: "tokens", tokens: Array(999).fill(1) } })).max_tokens,
    1,
  );
  await assert.rejects(
    () => start({ prompt: { kind: "tokens", tokens: Array(1000).fill(1) } }),
    (e) =>
      hasCode(e, "context_exceeded") && e.message.includes("maximum context length") &&
      e.metadata.prompt_tokens === 1000,
  );
});

Deno.test("requestedStart() gives an outline four plain answers' tokens, or the request's limit", async () => {
  assert.equal((await start()).outline_tokens, 400);
  assert.equal((await start({ maxTokens: 7 })).outline_tokens, 7);
});

Deno.test("requestedStart() refuses a prompt without tokens or with tokens the model does not have", async () => {
  for (const tokens of [[], [50], [-1]]) {
    await assert.rejects(
      () => start({ prompt: { kind: "tokens", tokens } }),
      (e) => hasCode(e, "invalid_prompt"),
      String(tokens),
    );
  }
  await assert.rejects(() => start({ prediction: [3, 50] }), (e) => hasCode(e, "invalid_prompt"));
});

Deno.test("requestedStart() samples as the request says, else as the model does", async () => {
  const { sampling } = await start({ sampling: { temperature: 1.5, top_k: undefined, seed: 9 } });
  assert.equal(sampling.temperature, 1.5);
  assert.equal(sampling.top_k, 20);
  assert.equal(sampling.seed, 9);
});

Deno.test("requestedStart() takes the graph's mode only where the request has neither mode nor points", async () => {
  const modes = async (more: Partial<GenerateRequest>, policy?: RequestPolicy) => {
    const { mode, mode_by } = await start(more, policy);
    return [mode, mode_by];
  };
  assert.deepEqual(await modes({}), ["auto", "request"]);
  assert.deepEqual(await modes({}, { mode: "plain" }), ["plain", "graph"]);
  assert.deepEqual(await modes({ mode: "auto" }, { mode: "plain" }), ["auto", "request"]);
  assert.deepEqual(await modes({ points: ["a"] }, { mode: "plain" }), ["auto", "request"]);
});

Deno.test("requestedStart() cuts the prompt into the pieces that the request asks for", async () => {
  const prompt = { kind: "tokens" as const, tokens: [1, 2, 3, 4, 5] };
  assert.deepEqual((await start({ prompt, pieces: 2 })).pieces, [2, 3]);
  assert.deepEqual((await start({ prompt, pieces: 9 })).pieces, [1, 1, 1, 1, 1]);
  assert.deepEqual((await start({ prompt, pieceRows: 4 })).pieces, [4]);
  assert.equal((await start({ prompt })).pieces, undefined);
});
