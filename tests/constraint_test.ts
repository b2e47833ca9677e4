/**
 * Answers that are held to a grammar, log-probabilities of prompts and embeddings on the real engine:
 * the embedded target with its draft model, f32.
 */
import assert from "node:assert/strict";
import type { ConstraintSpec } from "../models/mod.ts";
import type { GeneratedToken } from "../runtime/api/generator.ts";
import { openPair } from "./support/embedded_pair.ts";
import { inFolder } from "./support/store_folder.ts";

const options = { sanitizeOps: false, sanitizeResources: false };

const CONSTRAINTS: { spec: ConstraintSpec; valid(text: string): boolean }[] = [
  {
    spec: {
      kind: "json_schema",
      schema: {
        type: "object",
        properties: {
          answer_in_one_word: { type: "string", maxLength: 12 },
          confidence: { enum: ["low", "medium", "high"] },
          steps: { type: "array", items: { enum: [1, 2, 3, 10] }, minItems: 1, maxItems: 3 },
        },
        required: ["answer_in_one_word", "confidence", "steps"],
        additionalProperties: false,
      },
    },
    valid(text) {
      const { answer_in_one_word: word, confidence, steps } = JSON.parse(text);
      return word.length <= 12 && ["low", "medium", "high"].includes(confidence) &&
        steps.length >= 1 && steps.length <= 3 && steps.every(Number.isInteger);
    },
  },
  {
    spec: { kind: "regex", pattern: "(It is|They are) [a-z]{1,9}( and [a-z]{1,9})?\\." },
    valid: (text) => /^(It is|They are) [a-z]{1,9}( and [a-z]{1,9})?\.$/.test(text),
  },
];

const QUESTIONS = ["Why does it rain?", "What is a computer?"];

Deno.test(
  "generationActor holds the embedded model's answers to grammars, the same with drafts and on two stages",
  options,
  async () => {
    await inFolder(async (dir) => {
      const plain = new Map<string, number[]>();
      let [drafted, accepted, whole] = [0, 0, 0];
      for (const { stages, draft } of [{ stages: 1, draft: true }, { stages: 2, draft: false }]) {
        await using pair = await openPair(dir, { stages, draft });
        for (const question of QUESTIONS) {
          for (const [n, { spec, valid }] of CONSTRAINTS.entries()) {
            for (
              const sampling of [{ temperature: 0 }, { temperature: 0.9, seed: 4, top_p: 0.9 }]
            ) {
              const more = { constraint: spec, sampling, maxTokens: 48, reuse: n === 0 };
              const name = `${question} ${n} ${JSON.stringify(sampling)}`;
              for (const mode of ["plain", "speculative"] as const) {
                if (stages > 1 && mode === "speculative" && n > 0) continue;
                const answer = await pair.answer(question, {
                  ...more,
                  mode,
                  ...(mode === "speculative" && { draftLength: 4 }),
                });
                // JSON may have any space between its parts, which this small model does not tire of.
                const ended = answer.done.finishReason === "stop";
                assert.ok(ended || n === 0, `${name}: ${answer.text}`);
                if (ended) assert.ok(valid(answer.text), `${name}: ${answer.text}`);
                whole += ended ? 1 : 0;
                const expected = plain.get(name) ?? answer.tokens;
                plain.set(name, expected);
                assert.deepEqual(answer.tokens, expected, `${name}, ${mode}, ${stages} stages`);
                drafted += answer.done.report.drafted;
                accepted += answer.done.report.accepted;
                if (mode === "plain") assert.equal(answer.done.report.mode, "plain");
              }
            }
          }
        }
      }
      assert.ok(whole >= 10, `${whole} answers were whole`);
      assert.ok(accepted > 0 && accepted <= drafted, `${accepted} of ${drafted} came true`);
    });
  },
);

Deno.test(
  "Gateway.generate() tells the log-probabilities of a prompt as those of the answer that it was",
  options,
  async () => {
    await inFolder(async (dir) => {
      const byStages: GeneratedToken[][] = [];
      for (const stages of [1, 2]) {
        await using pair = await openPair(dir, { stages, draft: false });
        const signal = AbortSignal.timeout(60_000);
        const base = {
          model: "default",
          sampling: { temperature: 0, logprobs: true, top_logprobs: 3 },
          stop: [],
          mode: "plain" as const,
          ignoreEos: true,
        };
        const prompt = {
          kind: "tokens" as const,
          tokens: Array.from({ length: 90 }, (_, i) => 40 + i),
        };
        const answer: GeneratedToken[] = [];
        for await (
          const event of pair.gateway.generate({ ...base, prompt, maxTokens: 20 }, signal)
        ) {
          if (event.type === "delta") answer.push(...event.tokens);
        }
        const tokens = [...prompt.tokens, ...answer.map(({ token }) => token)];
        const again = { ...base, prompt: { kind: "tokens" as const, tokens }, maxTokens: 0 };
        const types: string[] = [];
        let scores: GeneratedToken[] = [];
        const request = { ...again, promptLogprobs: 3, pieceRows: 16 };
        for await (const event of pair.gateway.generate(request, signal)) {
          types.push(event.type);
          if (event.type === "prompt") scores = event.tokens;
          if (event.type === "done") assert.equal(event.usage.completionTokens, 0);
        }
        assert.deepEqual(types, ["started", "prompt", "done"]);
        assert.deepEqual(scores.map(({ token }) => token), tokens);
        assert.equal(scores[0].logprob, undefined);
        for (const [i, { logprob, top }] of answer.entries()) {
          const score = scores[prompt.tokens.length + i];
          assert.ok(Math.abs(score.logprob! - logprob!) < 1e-4, `token ${i}`);
          assert.deepEqual(score.top!.map(([id]) => id), top!.map(([id]) => id));
        }
        byStages.push(scores);
      }
      for (const [i, { logprob = 0 }] of byStages[0].entries()) {
        assert.ok(
          Math.abs((byStages[1][i].logprob ?? 0) - logprob) < 1e-4,
          `token ${i} on two stages`,
        );
      }
    });
  },
);

Deno.test(
  "Gateway.embed() gives the same vectors on one stage and on two, and like texts are near",
  options,
  async () => {
    await inFolder(async (dir) => {
      const texts = [
        "The rain falls on the town.",
        "Rain is falling on the city.",
        "Sort an array.",
      ];
      const all: Float32Array[][] = [];
      for (const stages of [1, 2]) {
        await using pair = await openPair(dir, { stages, draft: false });
        const signal = AbortSignal.timeout(60_000);
        const mean = await pair.gateway.embed(texts, { model: "default" }, signal);
        const last = await pair.gateway.embed(texts, { model: "default", pooling: "last" }, signal);
        assert.deepEqual(mean.tokens, last.tokens);
        all.push([...mean.vectors, ...last.vectors]);
        const cosine = (a: Float32Array, b: Float32Array) => {
          const dot = (x: Float32Array, y: Float32Array) =>
            x.reduce((sum, v, i) => sum + v * y[i], 0);
          return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
        };
        const [rain, city, array] = mean.vectors;
        assert.ok(cosine(rain, city) > cosine(rain, array));
      }
      for (const [i, vector] of all[0].entries()) {
        const far = vector.findIndex((value, k) => Math.abs(value - all[1][i][k]) > 1e-4);
        assert.equal(far, -1, `element ${far} of vector ${i}`);
      }
    });
  },
);
