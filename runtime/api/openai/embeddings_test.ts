import assert from "node:assert/strict";
import { ScriptedApi } from "../../../tests/support/scripted_api.ts";

const PATH = "/v1/embeddings";

Deno.test("POST /v1/embeddings gives a vector of length 1 for each text or token list", async () => {
  const api = new ScriptedApi();
  for (const input of [["a b", "c"], [[1, 2], [3]]]) {
    const { data, usage, model } = await api.json(PATH, { input, model: "scripted" });
    assert.deepEqual(data.map(({ index }: { index: number }) => index), [0, 1]);
    for (const { embedding } of data) {
      assert.equal(embedding.length, 4);
      assert.ok(Math.abs(Math.hypot(...embedding) - 1) < 1e-6);
    }
    assert.deepEqual([usage.prompt_tokens, model], [3, "scripted"]);
  }
  assert.equal((await api.json(PATH, { input: [1, 2, 3] })).data.length, 1);
});

Deno.test("POST /v1/embeddings gives the same numbers in base64", async () => {
  const api = new ScriptedApi();
  const plain = (await api.json(PATH, { input: "a" })).data[0].embedding;
  const { data } = await api.json(PATH, { input: "a", encoding_format: "base64" });
  const numbers = new Float32Array(Uint8Array.fromBase64(data[0].embedding).buffer);
  assert.deepEqual([...numbers], plain);
});

Deno.test("POST /v1/embeddings refuses empty inputs, other dimensions, and a node that gives none", async () => {
  const api = new ScriptedApi();
  const wrong: [Record<string, unknown>, string][] = [
    [{ input: "" }, "input"],
    [{ input: [] }, "input"],
    [{ dimensions: 3 }, "dimensions"],
    [{ encoding_format: "int8" }, "encoding_format"],
  ];
  for (const [fields, param] of wrong) {
    const { error } = await api.json(PATH, { input: "a", ...fields }, 400);
    assert.equal(error.param, param, error.message);
  }
  await api.json(PATH, { input: "a", dimensions: 4 });
  await api.json(PATH, { input: "a", model: "other" }, 404);
  Object.assign(api.generator, { embed: undefined });
  const { error } = await api.json(PATH, { input: "a" }, 400);
  assert.match(error.message, /no embeddings/);
});

Deno.test("POST /api/embed and /api/embeddings give the same vectors in Ollama's form", async () => {
  const api = new ScriptedApi();
  const { embeddings, prompt_eval_count } = await api.json("/api/embed", {
    model: "scripted",
    input: ["a b", "c"],
  });
  assert.deepEqual([embeddings.length, prompt_eval_count], [2, 3]);
  const { embedding } = await api.json("/api/embeddings", { model: "scripted", prompt: "c" });
  assert.equal(embedding.length, 4);
  const openai = await api.json(PATH, { input: "c" });
  assert.deepEqual(embedding, openai.data[0].embedding);
});
