import assert from "node:assert/strict";
import { MINIMAL_CONFIG } from "../../tests/support/minimal_config.ts";
import { parseConfig } from "./config.ts";

Deno.test("parseConfig() fills absent fields, not those that are null", () => {
  const defaults = { sliding_window: 4096, head_dim: 128 };
  const config = parseConfig({ ...MINIMAL_CONFIG, sliding_window: null }, "config.json", defaults);
  assert.deepEqual(
    [config.sliding_window, config.head_dim, config.rms_norm_eps],
    [null, 128, 1e-6],
  );
});

Deno.test("parseConfig() keeps fields that it does not know", () => {
  assert.equal(parseConfig({ ...MINIMAL_CONFIG, torch_dtype: "f" }, "c")["torch_dtype"], "f");
});

Deno.test("parseConfig() names the file and the field that is malformed", () => {
  assert.throws(() => parseConfig({ ...MINIMAL_CONFIG, hidden_size: 0 }, "a/config.json"), {
    code: "config_malformed",
    message: /^a\/config\.json: hidden_size: /,
  });
  assert.throws(() => parseConfig([], "config.json"), { message: /^config\.json: its top: / });
});
