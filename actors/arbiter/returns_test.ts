import assert from "node:assert/strict";
import { Returns } from "./returns.ts";

const prompt = (salt: number, length = 50) => Int32Array.from({ length }, (_, i) => i * 7 + salt);

Deno.test("A prompt that continues an earlier one comes back; one with the same beginning only does not", () => {
  const returns = new Returns();
  assert.equal(returns.seen(prompt(1)), false);
  assert.equal(returns.seen(prompt(1, 80)), true);
  assert.equal(returns.seen(prompt(1, 80)), true, "asked again");
  assert.equal(returns.seen(prompt(1, 40)), false, "shorter than all that came before");
  assert.equal(returns.seen(Int32Array.from([...prompt(1, 30), 0, 0, 0])), false);
});

Deno.test("The share goes up with chats that go on and down with prompts that are new", () => {
  const returns = new Returns();
  for (let i = 0; i < 40; i++) returns.seen(prompt(i + 1));
  assert.ok(returns.share < 0.02);
  for (let i = 0; i < 40; i++) returns.seen(prompt(i + 1, 60));
  assert.ok(returns.share > 0.98);
});

Deno.test("Prompts of long ago are forgotten", () => {
  const returns = new Returns();
  for (let i = 0; i < 300; i++) returns.seen(prompt(i + 1));
  assert.equal(returns.seen(prompt(1, 60)), false);
  assert.equal(returns.seen(prompt(250, 60)), true);
});
