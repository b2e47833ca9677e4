import assert from "node:assert/strict";
import { parseGraph } from "../../actors/mod.ts";
import type { StoredModel } from "../../models/mod.ts";
import { type GraphChoice, resolveGraph } from "./resolve_graph.ts";
import type { ModelFinder } from "./resolve_model.ts";

/** A store that has every model, and says which one was asked for. */
const store: ModelFinder = {
  get: (name) => Promise.resolve({ manifest: { name, files: {} } } as unknown as StoredModel),
  add: (_, { name }) =>
    Promise.resolve({ manifest: { name, files: {} } } as unknown as StoredModel),
  list: () => Promise.resolve([]),
  has: () => Promise.resolve(true),
};

async function resolved(options: GraphChoice, text?: string) {
  const graph = text === undefined ? undefined : parseGraph(text, { file: "test" });
  const found = await resolveGraph(store, { ...options, graph });
  return {
    target: found.target.manifest.name,
    draft: found.draft?.manifest.name,
    drafter: found.graph.actors.drafter,
    model: found.graph.model?.name,
  };
}

Deno.test("resolveGraph() takes the embedded models where nothing is said", async () => {
  assert.deepEqual(await resolved({}), {
    target: "embedded",
    draft: "embedded-draft",
    drafter: "auto",
    model: "embedded",
  });
});

Deno.test("resolveGraph() refuses more tokens for the drafter's head than the draft model has", async () => {
  const tiny = { name: "small", geometry: { vocab: 4096 }, files: {} };
  const finder: ModelFinder = {
    ...store,
    get: () => Promise.resolve({ manifest: tiny } as unknown as StoredModel),
    add: () => Promise.reject(new Error("nothing is converted")),
  };
  const graph = (vocabulary: number | string) =>
    parseGraph(`{ model: m, actors: { drafter: { model: small, vocabulary: ${vocabulary} } } }`, {
      file: "test",
    });
  await assert.rejects(resolveGraph(finder, { graph: graph(4097) }), {
    code: "bad_vocabulary",
    message: "actors.drafter.vocabulary is 4097, and draft model small has 4096 tokens; say 256 " +
      "to 4096, or whole",
  });
  for (const fine of [256, 4096, "whole", "auto"]) {
    const found = await resolveGraph(finder, { graph: graph(fine) });
    assert.equal((found.graph.actors.drafter as { vocabulary?: unknown }).vocabulary, fine);
  }
});

Deno.test("resolveGraph() prefers the options to the graph", async () => {
  const text = "{ model: of-graph, actors: { drafter: ngram } }";
  const fromGraph = await resolved({}, text);
  assert.deepEqual(fromGraph, {
    target: "of-graph",
    draft: undefined,
    drafter: "ngram",
    model: "of-graph",
  });
  const fromOptions = await resolved({ model: "other", draft: "small" }, text);
  assert.deepEqual(fromOptions, {
    target: "other",
    draft: "small",
    drafter: "auto",
    model: "of-graph",
  });
});

Deno.test("resolveGraph() keeps the graph's drafter unless an option turns it off", async () => {
  const text = "{ model: m, actors: { drafter: { model: small, host: a } } }";
  const kept = await resolved({}, text);
  assert.equal(kept.draft, "small");
  assert.equal((kept.drafter as { host?: string }).host, "a");
  assert.deepEqual(await resolved({ draft: "none" }, text), {
    ...kept,
    draft: undefined,
    drafter: "none",
  });
});
