import assert from "node:assert/strict";
import { detransformer, megatron } from "./tensor_parallel.ts";
import { TINY_BOARD, TINY_MODEL, TINY_REQUEST, tinyFleet } from "./tiny_fleet.ts";

const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

/** Half the LM head, and a gather of 20 bytes of logits: one message with a half of them. */
const END_S = (1 + 0.2) + (2 + 10 / 8);

Deno.test("megatron() has two all-reduces a layer, one for the embeddings, and a cut LM head", () => {
  const found = megatron(tinyFleet(2), TINY_MODEL, TINY_REQUEST);
  // Half a layer takes 7 + 0.8 rows; an all-reduce two messages and once the rows.
  near(found.prefill_s, 2 * (7 + 0.8 * 4 + 2 * (4 + 4)) + (4 + 4) + END_S);
  near(found.decode_s, 2 * (7 + 0.8 + 2 * (4 + 1)) + (4 + 1) + END_S);
  near(found.seconds, found.prefill_s + 2 * found.decode_s);
});

Deno.test("detransformer() has one all-reduce a layer where megatron() has two", () => {
  const found = detransformer(tinyFleet(2), TINY_MODEL, TINY_REQUEST);
  near(found.prefill_s, 2 * (7 + 0.8 * 4 + (4 + 4)) + (4 + 4) + END_S);
  near(found.decode_s, 2 * (7 + 0.8 + (4 + 1)) + (4 + 1) + END_S);
});

Deno.test("megatron() and detransformer() on one board compute and send nothing", () => {
  for (const baseline of [megatron, detransformer]) {
    const found = baseline(tinyFleet(1), TINY_MODEL, TINY_REQUEST);
    near(found.prefill_s, 2 * (7 + 1.6 * 4) + 1.4);
    near(found.decode_s, 2 * (7 + 1.6) + 1.4);
  }
});

Deno.test("megatron() gives a slow board the same share, and waits for it", () => {
  const fleet = tinyFleet(2);
  const slow = { ...TINY_BOARD, compute_s: 1 };
  const found = megatron({ ...fleet, boards: [TINY_BOARD, slow] }, TINY_MODEL, TINY_REQUEST);
  near(found.decode_s, 2 * (7 + 80 + 2 * 5) + 5 + (1 + 20) + (2 + 10 / 8));
});
