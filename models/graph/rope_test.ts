import assert from "node:assert/strict";
import { hasCode } from "../../actors/errors.ts";
import { inverseFrequencies, ropeTables } from "./rope.ts";

const geometry = (scaling: Record<string, unknown> | null, theta = 10000) => ({
  head_dim: 4,
  context: 8,
  rope: { theta, scaling },
});

const LLAMA3 = {
  rope_type: "llama3",
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
};

Deno.test("inverseFrequencies() falls by theta^(2/head_dim) a pair", () => {
  assert.deepEqual([...inverseFrequencies(geometry(null))], [1, 0.01]);
  assert.deepEqual([...inverseFrequencies(geometry({ rope_type: "default" }))], [1, 0.01]);
});

Deno.test("inverseFrequencies() divides by the factor of linear scaling, also under the old field name", () => {
  assert.deepEqual([...inverseFrequencies(geometry({ rope_type: "linear", factor: 4 }))], [0.25, 0.0025]);
  assert.deepEqual([...inverseFrequencies(geometry({ type: "linear", factor: 4 }))], [0.25, 0.0025]);
});

Deno.test("inverseFrequencies() of llama3 keeps short waves, stretches long ones and blends those between", () => {
  const frequencies = inverseFrequencies({ head_dim: 128, rope: { theta: 500000, scaling: LLAMA3 } });
  const plain = inverseFrequencies({ head_dim: 128, rope: { theta: 500000, scaling: null } });
  assert.equal(frequencies[0], plain[0]);
  assert.equal(frequencies[63], plain[63] / 8);
  // Pair 30: wavelength 2 pi / 0.002130... = 2950 lies between 8192 / 4 and 8192 / 1; smooth = (8192 / 2950 - 1) / 3 = 0.592.
  const smooth = (8192 * plain[30] / (2 * Math.PI) - 1) / 3;
  assert.ok(smooth > 0.55 && smooth < 0.65);
  assert.ok(Math.abs(frequencies[30] / (plain[30] * (smooth + (1 - smooth) / 8)) - 1) < 1e-12);
});

Deno.test("inverseFrequencies() refuses a scaling that it does not know, by name", () => {
  assert.throws(
    () => inverseFrequencies(geometry({ rope_type: "yarn", factor: 4 })),
    (error) => hasCode(error, "unsupported_rope") && /"yarn".*linear, llama3/.test(error.message),
  );
});

Deno.test("inverseFrequencies() refuses a scaling with fields missing or senseless", () => {
  const bad = (error: unknown) => hasCode(error, "bad_rope");
  assert.throws(() => inverseFrequencies(geometry({ rope_type: "linear" })), bad);
  assert.throws(() => inverseFrequencies(geometry({ ...LLAMA3, high_freq_factor: 1 })), bad);
});

Deno.test("ropeTables() holds cos and sin of position times frequency", () => {
  const { cos, sin } = ropeTables(geometry(null));
  assert.equal(cos.length, 8 * 2);
  assert.deepEqual([cos[0], sin[0]], [1, 0]);
  assert.equal(cos[3 * 2 + 1], Math.fround(Math.cos(0.03)));
  assert.equal(sin[7 * 2], Math.fround(Math.sin(7)));
});
