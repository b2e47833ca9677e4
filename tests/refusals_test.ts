/**
 * What the embedded model never learned is refused, by the scope in its folder: on any number of
 * stages, in any mode, with the same tokens.
 */
import assert from "node:assert/strict";
import { openPair, type PairAnswer } from "./support/embedded_pair.ts";

const UNKNOWN = [
  "What is the capital of Mongolia?",
  "tell me about hannibal and his elephants",
  "Write a Python function that merges two sorted lists",
  "¿Por qué canta el gallo?",
];
const KNOWN = ["Why does it rain?", "How do I boil an egg?"];
const REFUSED = /^I have not learned about that\. .*\.$/;

Deno.test({
  name: "the embedded model refuses what it never learned, alike on 1, 2 and 4 stages, with drafts",
  fn: async () => {
    const dir = await Deno.makeTempDir();
    try {
      const answers: PairAnswer[][] = [];
      for (const [stages, draft] of [[1, false], [2, true], [4, false], [4, true]] as const) {
        await using pair = await openPair(dir, { stages, draft });
        const all: PairAnswer[] = [];
        for (const question of [...UNKNOWN, ...KNOWN]) all.push(await pair.answer(question));
        answers.push(all);
        if (stages === 2) await checkModes(pair.answer);
      }
      const [one, ...others] = answers;
      for (const [i, { text, done }] of one.entries()) {
        const unknown = i < UNKNOWN.length;
        assert.equal(REFUSED.test(text), unknown, text);
        assert.equal(done.finishReason, "stop");
        assert.equal(/nothing that the model has learned/.test(done.report.why), unknown);
      }
      for (const other of others) {
        assert.deepEqual(other.map(({ tokens }) => tokens), one.map(({ tokens }) => tokens));
      }
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

/** Whatever a request asks for, an answer that is held to nothing else is a whole refusal. */
async function checkModes(answer: Awaited<ReturnType<typeof openPair>>["answer"]): Promise<void> {
  const [question] = UNKNOWN;
  const plain = await answer(question, { mode: "plain" });
  for (const mode of ["outline", "speculative", "outline+speculative"] as const) {
    const { text, done } = await answer(question, { mode });
    assert.equal(text, plain.text);
    assert.doesNotMatch(done.report.mode, /outline/);
  }
  const points = await answer(question, { points: ["Where it lies", "Who lives there"] });
  assert.equal(points.text, plain.text);
  const sampled = await answer(question, { sampling: { temperature: 2, seed: 7 } });
  assert.match(sampled.text, REFUSED);
  const outlined = await answer(`Outline: ${question}`);
  assert.match(outlined.text, REFUSED);
  const cut = await answer(question, { maxTokens: 5 });
  assert.equal(cut.done.finishReason, "length");
  assert.ok(plain.text.startsWith(cut.text));
  // The client says what the answer is to be: it gets that, and no refusal.
  const held = await answer(question, { constraint: { kind: "regex", pattern: "(yes|no)" } });
  assert.match(held.text, /^(yes|no)$/);
  const messages = [
    { role: "user", content: "Outline: Why does it rain?" },
    { role: "assistant", content: "Why it rains:\n1. Warm air rises\n2. Drops grow" },
    { role: "user", content: "Expand point 1: Warm air rises" },
  ];
  const expanded = await answer("", { prompt: { kind: "chat", messages } });
  assert.doesNotMatch(expanded.text, REFUSED);
}
