import assert from "node:assert/strict";
import { hasCode } from "../actors/system/errors.ts";
import { ropeTable, type RotaryGeometry, rotation } from "./rope.ts";

const geometry = (scaling: RotaryGeometry["scaling"], theta = 10000): RotaryGeometry => ({
  dims: 4,
  theta,
  scaling,
});
const frequencies = (of: RotaryGeometry) => [...rotation(of).frequencies];

const LLAMA3 = {
  rope_type: "llama3",
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
};
const LONGROPE = {
  rope_type: "longrope",
  factor: 32,
  original_max_position_embeddings: 4096,
  short_factor: [1, 2],
  long_factor: [3, 4],
};

Deno.test("rotation() divides the frequency by theta^(2/dims) from pair to pair", () => {
  assert.deepEqual(frequencies(geometry(null)), [1, 0.01]);
  assert.deepEqual(frequencies(geometry({ rope_type: "default" })), [1, 0.01]);
  assert.equal(rotation(geometry(null)).magnitude, 1);
});

Deno.test("rotation() divides by the factor of linear scaling, also under the old field name", () => {
  assert.deepEqual(frequencies(geometry({ rope_type: "linear", factor: 4 })), [0.25, 0.0025]);
  assert.deepEqual(frequencies(geometry({ type: "linear", factor: 4 })), [0.25, 0.0025]);
});

Deno.test("rotation() leaves dynamic scaling out, since the context ends where it would begin", () => {
  assert.deepEqual(frequencies(geometry({ rope_type: "dynamic", factor: 4 })), [1, 0.01]);
});

Deno.test("rotation() of llama3 keeps short waves, stretches long ones and blends those between", () => {
  const wide = { dims: 128, theta: 500000 };
  const scaled = frequencies({ ...wide, scaling: LLAMA3 });
  const plain = frequencies({ ...wide, scaling: null });
  assert.equal(scaled[0], plain[0]);
  assert.equal(scaled[63], plain[63] / 8);
  // Pair 30: wavelength 2 pi / 0.002130... = 2950 lies between 8192 / 4 and 8192 / 1; smooth =
  // (8192 / 2950 - 1) / 3 = 0.592.
  const smooth = (8192 * plain[30] / (2 * Math.PI) - 1) / 3;
  assert.ok(smooth > 0.55 && smooth < 0.65);
  assert.ok(Math.abs(scaled[30] / (plain[30] * (smooth + (1 - smooth) / 8)) - 1) < 1e-12);
});

Deno.test("rotation() of yarn keeps fast pairs, stretches slow ones and raises the magnitude", () => {
  const wide = { dims: 128, theta: 10000 };
  const yarn = { rope_type: "yarn", factor: 16, original_max_position_embeddings: 4096 };
  const { frequencies: scaled, magnitude } = rotation({ ...wide, scaling: yarn });
  const plain = frequencies({ ...wide, scaling: null });
  assert.equal(scaled[0], plain[0]);
  assert.equal(scaled[63], plain[63] / 16);
  // 32 turns in 4096 positions: pair 20.9, rounded down to 20; 1 turn: pair 45.03, rounded up to
  // 46.
  const share = (33 - 20) / (46 - 20);
  assert.ok(Math.abs(scaled[33] / (plain[33] * (1 - share + share / 16)) - 1) < 1e-12);
  assert.equal(magnitude, 0.1 * Math.log(16) + 1);
  const magnitudes = (fields: object) =>
    rotation({ ...wide, scaling: { ...yarn, ...fields } }).magnitude;
  assert.equal(magnitudes({ attention_factor: 1.5 }), 1.5);
  assert.equal(magnitudes({ mscale: 1, mscale_all_dim: 1 }), 1);
});

Deno.test("rotation() of longrope stretches each pair by its short factor", () => {
  const { frequencies: scaled, magnitude } = rotation(geometry(LONGROPE));
  assert.deepEqual([...scaled], [1, 0.005]);
  assert.equal(magnitude, Math.sqrt(1 + Math.log(32) / Math.log(4096)));
});

Deno.test("rotation() of longrope takes its long factors where texts may be long", () => {
  assert.deepEqual([...rotation({ ...geometry(LONGROPE), long: true }).frequencies], [
    1 / 3,
    0.01 / 4,
  ]);
});

Deno.test("rotation() refuses an unknown scaling by name", () => {
  assert.throws(
    () => rotation(geometry({ rope_type: "proportional", factor: 4 })),
    (error) =>
      hasCode(error, "feature_unsupported") &&
      /"proportional".*linear, dynamic/.test(error.message),
  );
});

Deno.test("rotation() refuses a scaling with fields missing or senseless", () => {
  const bad = (error: unknown) => hasCode(error, "bad_rope");
  assert.throws(() => rotation(geometry({ rope_type: "linear" })), bad);
  assert.throws(() => rotation(geometry({ ...LLAMA3, high_freq_factor: 1 })), bad);
  assert.throws(() => rotation(geometry({ rope_type: "yarn", factor: 2 })), bad);
  assert.throws(() => rotation(geometry({ ...LONGROPE, short_factor: [1] })), bad);
});

Deno.test("ropeTable() holds cos or sin of position times frequency, times the magnitude", () => {
  const [cos, sin] = (["cos", "sin"] as const).map((wave) =>
    ropeTable(geometry(null), { wave, rows: 8 })
  );
  assert.equal(cos.length, 8 * 2);
  assert.deepEqual([cos[0], sin[0]], [1, 0]);
  assert.equal(cos[3 * 2 + 1], Math.fround(Math.cos(0.03)));
  assert.equal(sin[7 * 2], Math.fround(Math.sin(7)));
  const scaled = ropeTable(geometry({ ...LONGROPE, attention_factor: 2 }), {
    wave: "sin",
    rows: 8,
  });
  assert.equal(scaled[7 * 2], Math.fround(2 * Math.sin(7)));
});

Deno.test("ropeTable() gives the same rows whether they are computed together or apart", () => {
  const whole = ropeTable(geometry(null), { wave: "cos", rows: 8 });
  assert.deepEqual(
    ropeTable(geometry(null), { wave: "cos", first: 5, rows: 3 }),
    whole.slice(5 * 2),
  );
});
