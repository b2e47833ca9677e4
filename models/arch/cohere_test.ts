import assert from "node:assert/strict";
import { geometryOfClass } from "../../tests/support/minimal_config.ts";

Deno.test("cohere has parallel blocks, LayerNorm and a factor of the logits", () => {
  const { parallel, norms, logit_scale, rope, tied_embeddings } = geometryOfClass(
    "CohereForCausalLM",
  );
  assert.deepEqual([parallel, norms, logit_scale, tied_embeddings], [
    true,
    { kind: "layer" },
    0.0625,
    true,
  ]);
  assert.deepEqual(rope, { theta: 500000, scaling: null, interleaved: true });
});

Deno.test("cohere refuses normed queries and keys", () => {
  assert.throws(
    () => geometryOfClass("CohereForCausalLM", { use_qk_norm: true }),
    /use_qk_norm true \(supported: false\)/,
  );
});

Deno.test("cohere2 rotates the layers with a window only", () => {
  const { local, rope } = geometryOfClass("Cohere2ForCausalLM", { num_hidden_layers: 5 });
  assert.deepEqual([local, rope.skipped_layers], [{ window: 4096, layers: [0, 1, 2, 4] }, [3]]);
});
