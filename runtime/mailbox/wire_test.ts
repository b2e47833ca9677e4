import assert from "node:assert/strict";
import { Encoder } from "cbor-x";
import { type Envelope, hasCode } from "../../actors/mod.ts";
import { encodeCbor } from "./cbor.ts";
import {
  checkEnvelope,
  controlFrame,
  decodeMessage,
  encodeEnvelope,
  FrameReader,
  stampSeq,
} from "./wire.ts";

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

function join(parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

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

Deno.test("an envelope that we encode is the same value to cbor-x, and the other way round", () => {
  const other = new Encoder({ useRecords: false, tagUint8Array: false } as object);
  for (const envelope of envelopes.slice(1)) {
    const frame = encodeEnvelope(envelope, 1 << 20);
    stampSeq(frame, 5);
    assert.deepEqual(other.decode(frame.subarray(4)), [5n, envelope]);
    assert.deepEqual(decodeMessage(other.encode([5, envelope])), { seq: 5, envelope });
  }
});

Deno.test("encodeEnvelope() refuses a message over the limit with both numbers", () => {
  const big = { ...ask, body: new Uint8Array(2000) };
  assert.throws(
    () => encodeEnvelope(big, 1000),
    (error) =>
      hasCode(error, "too_large") && error.metadata.limit === 1000 &&
      (error.metadata.bytes as number) > 2000,
  );
});

Deno.test("FrameReader.push() finds the same frames however the bytes are cut", () => {
  const payloads = [1, 5, 70_000, 0, 300_000, 3].map((n) => new Uint8Array(n).fill(n));
  const bytes = join(payloads.map((payload) => controlFrame(payload)));
  for (const step of [1, 2, 3, 7, 1000, 65_537, bytes.length]) {
    const lengths: number[] = [];
    const reader = new FrameReader(1 << 20, (frame) => lengths.push(frame.byteLength));
    for (let at = 0; at < bytes.length; at += step) reader.push(bytes.subarray(at, at + step));
    assert.deepEqual(lengths, payloads.map((payload) => controlFrame(payload).byteLength - 4));
    assert.equal(reader.partial, false);
  }
});

Deno.test("FrameReader.push() refuses a length over the limit before it holds anything", () => {
  const reader = new FrameReader(1000, () => assert.fail("no frame"));
  assert.throws(
    () => reader.push(new Uint8Array([0, 0, 3, 233])),
    (error) => hasCode(error, "protocol"),
  );
  const empty = new FrameReader(1000, () => assert.fail("no frame"));
  assert.throws(() => empty.push(new Uint8Array(4)), (error) => hasCode(error, "protocol"));
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

Deno.test("decodeMessage() refuses sequence numbers that are none", () => {
  for (const value of [[0, ask], [-1, ask], [1.5, ask], ["1", ask], [1], [1, ask, 2]]) {
    assert.throws(() => decodeMessage(encodeCbor(value)), (error) => hasCode(error, "protocol"));
  }
});
