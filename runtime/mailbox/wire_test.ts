import assert from "node:assert/strict";
import * as cborg from "cborg";
import { type Envelope, hasCode } from "../../actors/mod.ts";
import { encodeCbor } from "./cbor.ts";
import { FrameReader } from "./frame_reader.ts";
import { checkEnvelope, decodeMessage, encodeEnvelope, stampSeq } from "./wire.ts";

const ask: Envelope = {
  kind: "ask",
  id: 7,
  to: "d/stage/0",
  from: "d/generation/x",
  type: "frame",
  body: {
    tokens: new Int32Array([1, 2, 3]),
    hidden: { dtype: "f32", shape: [1, 2], data: new Uint8Array(8) },
  },
  ttlMs: 1500.5,
  epoch: 3,
  trace: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
};

const envelopes: Envelope[] = [
  ask,
  { kind: "tell", id: 0, to: "d/a/b", from: "", type: "t", body: null },
  { kind: "reply", id: 7, body: { ok: true } },
  {
    kind: "error",
    id: 7,
    error: { group: "engine", code: "arena_full", message: "full", metadata: { needed: 3 } },
  },
  { kind: "cancel", id: 7 },
  { kind: "credit", to: "d/stage/0", n: 16 },
];

Deno.test("encodeEnvelope() frames every kind of envelope, and decodeMessage() gives it back", () => {
  const frames: Uint8Array[] = [];
  const reader = new FrameReader(1 << 20, (frame) => frames.push(frame));
  for (const [i, envelope] of envelopes.entries()) {
    const frame = encodeEnvelope(envelope, 1 << 20);
    stampSeq(frame, 2 ** 40 + i);
    reader.push(frame);
  }
  assert.deepEqual(
    frames.map(decodeMessage),
    envelopes.map((envelope, i) => ({ seq: 2 ** 40 + i, envelope })),
  );
});

Deno.test("encodeEnvelope() writes the value that cborg reads, and decodeMessage() reads what cborg writes", () => {
  for (const envelope of envelopes.slice(1)) {
    const frame = encodeEnvelope(envelope, 1 << 20);
    stampSeq(frame, 5);
    assert.deepEqual(cborg.decode(frame.subarray(4)), [5, envelope]);
    assert.deepEqual(decodeMessage(cborg.encode([5, envelope])), { seq: 5, envelope });
  }
});

Deno.test("encodeEnvelope() refuses a message over the limit, and names both numbers", () => {
  const big = { ...ask, body: new Uint8Array(2000) };
  assert.throws(
    () => encodeEnvelope(big, 1000),
    (error) =>
      hasCode(error, "too_large") && error.metadata.limit === 1000 &&
      (error.metadata.bytes as number) > 2000,
  );
});

Deno.test("checkEnvelope() names the field that is wrong", () => {
  const cases: [string, unknown][] = [
    ["envelope", 5],
    ["envelope", null],
    ["envelope", []],
    ["kind", { kind: "explode" }],
    ["kind", {}],
    ["id", { ...ask, id: -1 }],
    ["id", { ...ask, id: "7" }],
    ["to", { ...ask, to: 3 }],
    ["to", { ...ask, to: "x".repeat(600) }],
    ["from", { ...ask, from: undefined }],
    ["type", { ...ask, type: null }],
    ["ttlMs", { ...ask, ttlMs: NaN }],
    ["ttlMs", { ...ask, ttlMs: "1" }],
    ["epoch", { ...ask, epoch: 0.5 }],
    ["trace", { ...ask, trace: null }],
    ["trace", { ...ask, trace: { traceparent: 5 } }],
    ["id", { kind: "reply", body: 1 }],
    ["id", { kind: "cancel", id: 2 ** 60 }],
    ["error", { kind: "error", id: 1, error: "no" }],
    ["n", { kind: "credit", to: "d/a/b", n: -5 }],
  ];
  for (const [field, value] of cases) {
    assert.throws(
      () => checkEnvelope(value),
      (error) => hasCode(error, "protocol") && error.message.includes(`field ${field} `),
      JSON.stringify(value),
    );
  }
  for (const envelope of envelopes) checkEnvelope(envelope);
});

Deno.test("decodeMessage() refuses what is not a pair with a positive seq", () => {
  for (const value of [[0, ask], [-1, ask], [1.5, ask], ["1", ask], [1], [1, ask, 2]]) {
    assert.throws(() => decodeMessage(encodeCbor(value)), (error) => hasCode(error, "protocol"));
  }
});

Deno.test("decodeMessage() refuses a seq beyond 2^53, and a frame that ends after its seq", () => {
  const frame = encodeEnvelope(ask, 1 << 20);
  stampSeq(frame, 2 ** 53 - 1);
  assert.deepEqual(decodeMessage(frame.subarray(4)), { seq: 2 ** 53 - 1, envelope: ask });
  frame[4 + 2] = 0x20;
  for (const bad of [frame.subarray(4), frame.subarray(4, 14), frame.subarray(4, 10)]) {
    assert.throws(() => decodeMessage(bad), (error) => hasCode(error, "protocol"));
  }
});
