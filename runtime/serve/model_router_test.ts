import assert from "node:assert/strict";
import { OrreryError } from "../../actors/mod.ts";
import type { GenerateRequest, GenerationEvent } from "../api/mod.ts";
import { askModelRouter, type ModelRouterParts } from "./model_router.ts";

const request: GenerateRequest = {
  model: "default",
  prompt: { kind: "chat", messages: [{ role: "user", content: "Why do towns grow?" }] },
  sampling: {},
  stop: [],
};

/** What is served, and what the model says as its first token. */
function world(
  {
    router = "model",
    own = true,
    known = { answer_tokens: 200 } as { answer_tokens?: number },
    fails = "",
  } = {},
) {
  const asked: GenerateRequest[] = [];
  const served = {
    model: { answersQuestions: own, outlineText: () => ({}) },
    deployment: { shape: { policy: { router } } },
    experience: { known },
  } as unknown as ModelRouterParts["served"];
  async function* answer(routing: GenerateRequest): AsyncGenerator<GenerationEvent> {
    asked.push(routing);
    if (fails !== "") throw new OrreryError({ group: "api", code: fails, message: "no" });
    yield { type: "started", id: "1", promptTokens: 20 };
    const top: [number, number][] = [[1, Math.log(0.7)], [2, Math.log(0.2)]];
    const token = { token: 1, text: "Yes", top, topText: ["Yes", "No"] };
    await Promise.resolve();
    yield { type: "delta", text: "Yes", tokens: [token] };
  }
  return { asked, ask: (of = request) => askModelRouter(of, { served, answer }) };
}

Deno.test("askModelRouter() asks in the question's turn for one token, and reads yes or no", async () => {
  const { asked, ask } = world();
  const route = await ask();
  assert.deepEqual([route?.outline, route?.rule], [true, "model"]);
  const [{ prompt, maxTokens, mode }] = asked;
  assert.deepEqual([maxTokens, mode], [1, "plain"]);
  assert.ok(prompt.kind === "chat" && prompt.messages.length === 1);
  assert.match(prompt.messages[0].content, /^Why do towns grow\?\n\nDo not answer yet\./);
});

Deno.test("askModelRouter() does not ask where the classifier is to decide or no outline can be", async () => {
  for (const options of [{ router: "rules" }, { own: false }, { known: {} }]) {
    const { asked, ask } = world(options);
    assert.equal(await ask(), undefined);
    assert.equal(asked.length, 0, JSON.stringify(options));
  }
  const { asked, ask } = world();
  for (
    const more of [
      { mode: "plain" },
      { points: ["One", "Two"] },
      { stop: ["\n"] },
      { sampling: { logprobs: true } },
      { prompt: { kind: "text", text: "Why" } },
    ] satisfies Partial<GenerateRequest>[]
  ) {
    assert.equal(await ask({ ...request, ...more }), undefined, JSON.stringify(more));
  }
  assert.equal(asked.length, 0);
});

Deno.test("askModelRouter() leaves the classifier to decide where its turn has no room, and throws what else fails", async () => {
  assert.equal(await world({ fails: "context_exceeded" }).ask(), undefined);
  await assert.rejects(world({ fails: "stage_lost" }).ask(), { code: "stage_lost" });
});
