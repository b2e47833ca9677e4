import assert from "node:assert/strict";
import { clientMessageSchema } from "./client_messages.ts";

Deno.test("clientMessageSchema takes a delta with log-probabilities, infinite ones too", () => {
  const delta = {
    type: "delta",
    text: "a",
    tokens: [{ token: 7, text: "a", logprob: -Infinity, top: [[8, -0.5]], topText: ["b"] }],
    branch: 0,
  };
  assert.deepEqual(clientMessageSchema.parse(delta), delta);
});

Deno.test("clientMessageSchema takes what ends a generation, with every field of it", () => {
  const done = {
    type: "done",
    finish: "stop",
    prompt_tokens: 3,
    completion_tokens: 2,
    ttft_ms: 1.5,
    tpot_ms: 0,
    orrery: {
      mode: "plain",
      route: "pipeline",
      why: "plain as asked",
      nodes: 1,
      stages: 1,
      ttft_ms: 1.5,
      tokens_per_s: 3,
      pieces: null,
      drafted: 0,
      accepted: 0,
      branches: 0,
      bubble_share: null,
      wasted_row_share: 0.5,
      bytes_per_token_per_hop: null,
    },
    measured: { "1": [0.5] },
  };
  assert.deepEqual(clientMessageSchema.parse(done), done);
  const failed = { type: "failed", error: { group: "engine", code: "x", message: "y" } };
  assert.deepEqual(clientMessageSchema.parse(failed), failed);
});

Deno.test("clientMessageSchema refuses other messages", () => {
  for (const message of [{ type: "other" }, { type: "delta", text: 1, tokens: [] }, {}]) {
    assert.equal(clientMessageSchema.safeParse(message).success, false);
  }
});
