import assert from "node:assert/strict";
import { usageOf } from "./usage.ts";

const totals = { promptTokens: 9, completionTokens: 4, ttftMs: 1, tpotMs: 1, reasoningTokens: 0 };

Deno.test("usageOf() tells tokens of the prompt that were kept, and only then", () => {
  const plain = { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 };
  assert.deepEqual(usageOf(totals), plain);
  assert.deepEqual(usageOf({ ...totals, cachedTokens: 7 }), {
    ...plain,
    prompt_tokens_details: { cached_tokens: 7 },
  });
});
