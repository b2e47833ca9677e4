/**
 * Speculation is lossless on the real engine: the embedded target with its draft model, f32, 50
 * prompts. Every mode but outline gives the plain greedy tokens; a seeded draw gives its tokens
 * too.
 */
import assert from "node:assert/strict";
import { drafterAddress } from "../actors/mod.ts";
import { openPair } from "./support/embedded_pair.ts";
import { FIFTY } from "./support/prompts.ts";
import { inFolder } from "./support/store_folder.ts";

const prompts = FIFTY;
const maxTokens = 20;

Deno.test("generationActor gives the embedded model's plain greedy tokens with draft model and n-grams", async () => {
  assert.equal(prompts.length, 50);
  await inFolder(async (dir) => {
    const plain: number[][] = [];
    const total = { drafted: 0, accepted: 0 };
    for (
      const { stages, draft } of [{ stages: 1, draft: true }, { stages: 2, draft: true }, {
        stages: 1,
        draft: false,
      }]
    ) {
      await using pair = await openPair(dir, { stages, draft });
      for (const [i, prompt] of prompts.entries()) {
        // All of them on one stage with the draft model; half of them on two stages, the others
        // without a model.
        if (stages === 2 && i % 2 || !draft && i % 2 === 0) continue;
        plain[i] ??= (await pair.answer(prompt, { mode: "plain", maxTokens })).tokens;
        const draftLength = draft && i % 3 ? 1 + i % 8 : undefined;
        const { tokens, done } = await pair.answer(prompt, {
          mode: "speculative",
          maxTokens,
          draftLength,
          // Drafts from the plain answer would stand in for the model's.
          reuse: !draft,
        });
        assert.deepEqual(tokens, plain[i], `${prompt} (${stages} stages, draft model: ${draft})`);
        if (!draft) continue;
        total.drafted += done.report.drafted;
        total.accepted += done.report.accepted;
      }
    }
    assert.ok(total.drafted > 300, `${total.drafted} rows drafted`);
    // Half the drafts are of a fixed length, up to 8, of which a model right in 85 % of cases gets
    // 3.5; busy machines lose more.
    assert.ok(
      total.accepted > 0.3 * total.drafted,
      `${total.accepted} of ${total.drafted} came true`,
    );
  });
});

Deno.test("generationActor looks drafts up in earlier answers, and gives the plain tokens on 1, 2 and 4 stages", async () => {
  await inFolder(async (dir) => {
    const plain: number[][] = [];
    for (const stages of [1, 2, 4]) {
      await using pair = await openPair(dir, { stages, draft: false });
      for (const [i, prompt] of prompts.slice(0, 3).entries()) {
        const sampling = { temperature: i % 2, seed: i };
        plain[i] ??= (await pair.answer(prompt, { mode: "plain", maxTokens, sampling })).tokens;
        const asked = { mode: "speculative", maxTokens, sampling, draftLength: 6 } as const;
        // Alone it looks into no earlier answer, though the plain one is there.
        const alone = await pair.answer(prompt, { ...asked, reuse: false });
        assert.deepEqual(alone.tokens, plain[i], `${prompt} (${stages} stages)`);
        await pair.answer(prompt, asked);
        const { tokens, done } = await pair.answer(prompt, asked);
        assert.deepEqual(tokens, plain[i], `${prompt} again (${stages} stages)`);
        const { accepted, drafted } = done.report;
        assert.ok(accepted >= tokens.length / 2, `${accepted} of ${drafted} drafts accepted`);
        assert.ok(accepted > alone.done.report.accepted);
      }
    }
  });
});

Deno.test("generationActor gives a seeded draw's tokens with drafts, and goes on without the drafter", async () => {
  await inFolder(async (dir) => {
    await using pair = await openPair(dir);
    for (const [i, prompt] of prompts.slice(0, 8).entries()) {
      const sampling = { temperature: 0.9, top_k: 40, seed: i };
      const plain = await pair.answer(prompt, { mode: "plain", maxTokens, sampling });
      if (i === 4) await pair.system.ask(drafterAddress("pair"), { type: "retire" });
      const { tokens } = await pair.answer(prompt, {
        mode: "speculative",
        maxTokens,
        sampling,
        reuse: false,
      });
      assert.deepEqual(tokens, plain.tokens, prompt);
    }
  });
});

Deno.test("generationActor gives the plain tokens with a draft model whose head is trimmed, greedy and drawn", async () => {
  await inFolder(async (dir) => {
    await using pair = await openPair(dir, { vocabulary: 1024 });
    const total = { drafted: 0, accepted: 0 };
    for (const [i, prompt] of prompts.slice(0, 6).entries()) {
      const sampling = i % 2
        ? { temperature: 0.9, seed: i, ...(i === 1 && { top_p: 0.9 }) }
        : { temperature: 0 };
      const request = { maxTokens, sampling, draftLength: 2 + i };
      const plain = await pair.answer(prompt, { mode: "plain", ...request });
      // Drafts from the plain answer would all be right, and none of them the model's.
      const asked = { mode: "speculative", reuse: false, ...request } as const;
      const { tokens, done } = await pair.answer(prompt, asked);
      assert.deepEqual(tokens, plain.tokens, prompt);
      total.drafted += done.report.drafted;
      total.accepted += done.report.accepted;
    }
    // The head lacks 3 in 10 of the answers' tokens.
    assert.ok(total.accepted > 20 && total.drafted > total.accepted, JSON.stringify(total));
  });
});

Deno.test("generationActor expands the embedded model's outline as each point's own conversation would", async () => {
  await inFolder(async (dir) => {
    await using pair = await openPair(dir);
    const question = "Why is the sea salty?";
    const { text, done } = await pair.answer(question, { mode: "outline", maxTokens: 400 });
    assert.equal(done.report.mode, "outline", done.report.why);
    const points = text.split("\n\n");
    assert.equal(points.length, done.report.branches);
    assert.ok(points.length >= 3);
    const outline = (await pair.answer(`Outline: ${question}`, { mode: "plain" })).text;
    for (const [k, line] of points.entries()) {
      const [, point, body] = /^\d+\. (.+?): (.*)$/s.exec(line)!;
      const alone = await pair.answer("", {
        mode: "plain",
        maxTokens: 100,
        prompt: {
          kind: "chat",
          messages: [
            { role: "user", content: `Outline: ${question}` },
            { role: "assistant", content: outline },
            { role: "user", content: `Expand point ${k + 1}: ${point}` },
          ],
        },
      });
      assert.equal(body, alone.text.trim());
    }
  });
});
