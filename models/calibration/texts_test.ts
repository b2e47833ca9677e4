import assert from "node:assert/strict";
import { builtInPassages, passagesOf } from "./texts.ts";

Deno.test("passagesOf() tells questions with answers from other text", () => {
  const text =
    "One.\n\nTwo\nlines.\n\nUser: Why?\nAssistant: Because\nof that.\n\n\nQuestion: How?\n" +
    "Answer: So.\n\nUser: no answer\n";
  assert.deepEqual(passagesOf(text), [
    { text: "One.\n\nTwo\nlines." },
    { question: "Why?", answer: "Because\nof that." },
    { question: "How?", answer: "So." },
    { text: "User: no answer\n" },
  ]);
  assert.deepEqual(passagesOf(" \n\n"), []);
});

Deno.test("builtInPassages() measures over other text than it calibrates with", async () => {
  const [calibration, evaluation] = await Promise.all(
    (["calibration", "evaluation"] as const).map(builtInPassages),
  );
  const sentences = (passages: typeof calibration) =>
    passages.flatMap((passage) => "text" in passage ? passage.text : passage.answer).join("\n")
      .split(/(?<=[.!?])\s+|\n/).map((sentence) => sentence.trim()).filter((s) => s.length > 30);
  const known = new Set(sentences(calibration));
  assert.ok(known.size > 100);
  assert.deepEqual(sentences(evaluation).filter((sentence) => known.has(sentence)), []);
  for (const passages of [calibration, evaluation]) {
    assert.ok(passages.some((passage) => "question" in passage));
    assert.ok(passages.some((passage) => "text" in passage));
  }
});
