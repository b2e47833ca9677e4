/**
 * Tests an actor alone, in virtual time: `deno test examples/graphs/conversation_test.ts`.
 */
import assert from "node:assert/strict";
import { testActor } from "../../actors/mod.ts";
import conversation from "./conversation.ts";

Deno.test("conversation remembers what was said, and forgets it when nobody goes on", async () => {
  await using t = testActor(conversation, {
    config: { forget_after_s: 60, most_turns: 20, max_tokens: 8 },
    deployment: "graph",
    key: "c-rain",
    others: (_to, { messages }) => ({ text: `that was number ${(messages as unknown[]).length}` }),
  });
  assert.deepEqual(await t.ref.go_on({ text: "hello" }), { text: "that was number 1", turns: 2 });
  await t.restart();
  assert.equal((await t.ref.go_on({ text: "and now" })).turns, 4);
  assert.deepEqual(t.alarms.map(({ name }) => name), ["forget"]);
  await t.advance(60_000);
  assert.equal(t.state, undefined);
});

Deno.test("conversation says the same again to a client that asks again with its key", async () => {
  await using t = testActor(conversation, {
    config: { forget_after_s: 60, most_turns: 20, max_tokens: 8 },
    deployment: "graph",
    others: () => ({ text: "told", turns: 2 }),
  });
  await t.ref.say({ conversation: "rain", text: "hello" }, { idempotencyKey: "a" });
  const [{ to, key }] = t.sent;
  assert.deepEqual([to, key], ["graph/conversation/c-rain", "a"]);
});
