import assert from "node:assert/strict";
import { classify } from "./classifier.ts";
import { featuresOf } from "./features.ts";

Deno.test("classify() copes with empty text, unknown words and a text of any length", () => {
  for (const text of ["", " ", "xqzt", "ééé ß 漢", "word ".repeat(50_000)]) {
    const { suited, kind } = classify(text);
    assert.ok(suited >= 0 && suited <= 1, text.slice(0, 10));
    assert.equal(kind.suited, suited > 0.5);
  }
  assert.ok(featuresOf("word ".repeat(50_000)).ids.length < 100);
});
