import assert from "node:assert/strict";
import { parseGenerationConfig } from "./generation_config.ts";

Deno.test("parseGenerationConfig() reads ids alone or in lists, and leaves absent fields undefined", () => {
  const config = parseGenerationConfig({ eos_token_id: [2, 3], bos_token_id: 1, top_k: 40 }, "g");
  assert.deepEqual([config.eosTokens, config.bosToken, config.topK], [[2, 3], 1, 40]);
  assert.deepEqual([config.temperature, config.sample], [undefined, undefined]);
  assert.deepEqual(parseGenerationConfig({}, "g").eosTokens, []);
});

Deno.test("parseGenerationConfig() names the file and the field that is malformed", () => {
  assert.throws(() => parseGenerationConfig({ top_p: 2 }, "m/generation_config.json"), {
    code: "generation_config_malformed",
    message: /^m\/generation_config\.json: top_p: /,
  });
});
