import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { FrameReader } from "./frame_reader.ts";
import { controlFrame } from "./wire.ts";

function join(parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

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
