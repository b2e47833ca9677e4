import assert from "node:assert/strict";
import { join } from "node:path";
import { hasCode } from "../../actors/mod.ts";
import { ChatTemplate, Tokenizer } from "../../models/mod.ts";
import { PromptEncoder } from "./prompt_encoder.ts";
import { PromptThread, type PromptThreadOptions } from "./prompt_thread.ts";

const folder = join(import.meta.dirname!, "..", "..", "models", "embedded", "target");
const model = { folder, name: "m", context: 4_096 };
const words = "Rain falls because warm air rises and cools. ";

/** A thread that is ended after the test. */
async function withThread(
  run: (thread: PromptThread) => Promise<void>,
  options: Partial<PromptThreadOptions> = {},
): Promise<void> {
  const thread = new PromptThread({ ...model, ...options });
  try {
    await run(thread);
  } finally {
    thread.close();
  }
}

Deno.test("PromptThread.ask() gives the ids that the node's own thread gives", () =>
  withThread(async (thread) => {
    const [tokenizer, template] = [await Tokenizer.load(folder), await ChatTemplate.load(folder)];
    const own = new PromptEncoder({ ...model, tokenizer, template });
    const prompts = [
      { kind: "text" as const, text: words.repeat(100) },
      { kind: "chat" as const, messages: [{ role: "user", content: words.repeat(100) }] },
    ];
    for (const prompt of prompts) {
      const { ids, tail } = await thread.ask({ op: "prompt", prompt: JSON.stringify(prompt) });
      assert.deepEqual(ids, own.encode(prompt));
      assert.equal(tail, prompt.kind === "chat" ? own.tail(prompt) : "");
    }
    const { ids } = await thread.ask({ op: "text", text: words });
    assert.deepEqual([...ids], tokenizer.encode(words, { addSpecialTokens: false }));
  }));

Deno.test("PromptThread.ask() refuses what cannot fit before all of it is encoded", () =>
  withThread(async (thread) => {
    const [text, tenth] = [80_000, 8_000].map((times) => words.repeat(times));
    const before = performance.now();
    await thread.ask({ op: "text", text: tenth });
    const begun = performance.now();
    await assert.rejects(
      thread.ask({ op: "prompt", prompt: { kind: "text", text } }),
      (error) =>
        hasCode(error, "context_exceeded") && /maximum context length/.test(error.message) &&
        Number(error.metadata.prompt_tokens) > model.context && error.metadata.param === "prompt",
    );
    const [tenthMs, tookMs] = [begun - before, performance.now() - begun];
    assert.ok(tookMs < 5 * tenthMs, `${tookMs} ms, a tenth is encoded in ${tenthMs} ms`);
  }));

Deno.test("PromptThread.ask() ends the thread when a prompt takes too long, and goes on with the next", () =>
  withThread(async (thread) => {
    const slow = { kind: "text" as const, text: words.repeat(400_000) }; // twenty seconds
    const first = thread.ask({ op: "prompt", prompt: { kind: "text", text: words } });
    const [, late] = await Promise.allSettled([
      first,
      thread.ask({ op: "prompt", prompt: slow }),
    ]);
    assert.ok(late.status === "rejected" && hasCode(late.reason, "encode_deadline"));
    assert.equal(thread.waiting, 0);
    // A busy machine may take longer than the limit only to start another thread.
    const next = async (tries = 20): Promise<number> => {
      try {
        return (await thread.ask({ op: "text", text: words })).ids.length;
      } catch (error) {
        if (tries === 0 || !hasCode(error, "encode_deadline")) throw error;
        return await next(tries - 1);
      }
    };
    assert.ok(await next() > 5);
  }, { limitMs: 3_000, context: 100_000_000 }));

Deno.test("PromptThread.ask() bounds what waits, and forgets what nobody wants any more", () =>
  withThread(async (thread) => {
    const question = { op: "text" as const, text: words };
    const gone = new AbortController();
    const first = thread.ask(question);
    const second = thread.ask(question, gone.signal);
    await assert.rejects(
      thread.ask(question),
      (e) => hasCode(e, "busy") && e.metadata.retry_after_s === 5,
    );
    gone.abort();
    await assert.rejects(second, { name: "AbortError" });
    assert.equal(thread.waiting, 1);
    const third = thread.ask(question);
    assert.deepEqual(await first, await third);
  }, { mostWaiting: 1 }));

Deno.test("PromptThread.close() refuses what waits", () =>
  withThread(async (thread) => {
    const asked = [thread.ask({ op: "text", text: words }), thread.ask({ op: "text", text: "b" })];
    const ends = Promise.allSettled(asked);
    thread.close();
    for (const end of await ends) {
      assert.ok(end.status === "rejected" && hasCode(end.reason, "encoder_failed"));
    }
  }));
