import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { findModel } from "./find_model.ts";
import type { ModelCard } from "./generator.ts";

const card = (name: string): ModelCard => ({
  name,
  created: 0,
  context: 1024,
  vocab: 100,
  precision: "f32",
});

Deno.test("findModel() finds a card by its name, and the first one as default", () => {
  const cards = [card("a"), card("b")];
  assert.equal(findModel(cards, "b"), cards[1]);
  assert.equal(findModel(cards, "default"), cards[0]);
});

Deno.test("findModel() throws model_not_found and names what is served", () => {
  assert.throws(() => findModel([card("a"), card("b")], "c"), (error) => {
    assert.ok(hasCode(error, "model_not_found"));
    assert.equal(error.message, 'no model is called "c"; served: a, b');
    assert.deepEqual(error.metadata, { param: "model", model: "c", served: ["a", "b"] });
    return true;
  });
  for (const name of ["a", "default"]) {
    assert.throws(
      () => findModel([], name),
      (error) => hasCode(error, "model_not_found") && error.message === "no model is served yet",
    );
  }
});
