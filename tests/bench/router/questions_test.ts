import assert from "node:assert/strict";
import { type LabelledQuestion, parseQuestions, readHeldOut, readTraining } from "./questions.ts";
import { classify, fingerprintOf } from "../../../actors/outline/classifier.ts";
import { WEIGHTS } from "../../../actors/outline/classifier_weights.ts";
import { FEATURES } from "../../../actors/outline/features.ts";
import { KINDS } from "../../../actors/outline/kinds.ts";
import { KIND_FEATURES } from "../../../actors/outline/weights.ts";

Deno.test("the weights are those of today's questions, features and rules", async () => {
  const questions = Array.from((await readTraining()).values()).flat();
  assert.equal(WEIGHTS.questions, questions.length, "run deno task train:router");
  assert.equal(
    WEIGHTS.fingerprint,
    fingerprintOf(questions.map(({ question }) => question.trim())),
    "the features have changed: run deno task train:router",
  );
});

Deno.test("the weights have a byte for each feature, and for each kind and cut feature", () => {
  assert.equal(atob(WEIGHTS.suited).length, FEATURES);
  assert.equal(atob(WEIGHTS.kinds).length, KIND_FEATURES * KINDS.length);
  assert.equal(WEIGHTS.kindBias.length, KINDS.length);
});

Deno.test("classify() has a precision and a recall of at least 0.85 on questions that are held out", async () => {
  const questions = await readHeldOut();
  assert.ok(questions.length >= 400, `${questions.length}`);
  const { precision, recall } = measure(questions);
  // Only the figures are told: who reads the wrong questions begins to tune on them.
  assert.ok(precision >= 0.85, `precision ${precision}`);
  assert.ok(recall >= 0.85, `recall ${recall}`);
});

Deno.test("no held-out question is one of those that the classifier was trained on", async () => {
  const plain = ({ question }: LabelledQuestion) =>
    question.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim();
  const trained = new Set(Array.from((await readTraining()).values()).flat().map(plain));
  const twice = (await readHeldOut()).map(plain).filter((question) => trained.has(question));
  assert.deepEqual(twice, []);
});

Deno.test("parseQuestions() names the file and line of a heading that it does not know", () => {
  assert.throws(
    () => parseQuestions("# fact\nWho?\n# poems\n", "a.txt"),
    /a\.txt line 3: no kind "poems"/,
  );
  assert.throws(() => parseQuestions("Who?\n", "a.txt"), /a\.txt line 1: a question stands before/);
  assert.deepEqual(parseQuestions("# fact\nWho\\nis it?\n# suited\nWas hilft?\n", "a.txt"), [
    { question: "Who\nis it?", suited: false, kind: "fact" },
    { question: "Was hilft?", suited: true },
  ]);
});

function measure(questions: readonly LabelledQuestion[]) {
  const taken = questions.filter(({ question }) => classify(question.trim()).kind.suited);
  const right = taken.filter(({ suited }) => suited).length;
  return {
    precision: right / taken.length,
    recall: right / questions.filter(({ suited }) => suited).length,
  };
}
