import assert from "node:assert/strict";
import fc from "fast-check";
import {
  isAllowed,
  KnownMasks,
  maskPart,
  MOST_MASKS,
  oneToken,
  packMask,
  unpackMask,
} from "./token_mask.ts";

/** A mask of these tokens. */
function maskOf(allowed: Iterable<number>, tokens: number): Int32Array<ArrayBuffer> {
  const mask = new Int32Array(Math.ceil(tokens / 32));
  for (const token of allowed) mask[token >> 5] |= 1 << (token & 31);
  return mask;
}

const masks = fc.integer({ min: 1, max: 400 }).chain((tokens) =>
  fc.record({
    tokens: fc.constant(tokens),
    allowed: fc.oneof(
      fc.uniqueArray(fc.nat(tokens - 1)),
      fc.tuple(fc.nat(tokens - 1), fc.nat(tokens - 1)).map(([a, b]) =>
        Array.from({ length: Math.abs(a - b) + 1 }, (_, i) => Math.min(a, b) + i)
      ),
      fc.constant(Array.from({ length: tokens }, (_, i) => i)),
    ),
  })
);

Deno.test("unpackMask() gives the mask that packMask() packed, never longer than its bits", () => {
  fc.assert(
    fc.property(masks, ({ tokens, allowed }) => {
      const mask = maskOf(allowed, tokens);
      const packed = packMask(mask, tokens);
      assert.deepEqual(unpackMask(packed, tokens), mask);
      assert.ok(packed.length <= 1 + Math.ceil(tokens / 8));
    }),
    { numRuns: 500, seed: 3 },
  );
});

Deno.test("packMask() leaves out bits beyond the vocabulary, and refuses what a short mask does not say", () => {
  for (const tokens of [31, 32, 33, 100]) {
    const all = new Int32Array(8).fill(-1);
    const every = Array.from({ length: tokens }, (_, i) => i);
    assert.deepEqual(unpackMask(packMask(all, tokens), tokens), maskOf(every, tokens));
    const short = unpackMask(packMask(Int32Array.of(5), tokens), tokens);
    assert.deepEqual(short, maskOf([0, 2], tokens));
  }
});

Deno.test("packMask() takes a few bytes for few runs and an eighth of a byte a token for many", () => {
  const tokens = 152_000;
  assert.equal(packMask(oneToken(90_000), tokens).length, 5);
  assert.equal(packMask(new Int32Array(tokens / 32).fill(-1), tokens).length, 5);
  assert.equal(packMask(new Int32Array(tokens / 32).fill(0x55555555), tokens).length, 19_001);
});

Deno.test("unpackMask() says what is wrong with bytes that are no mask of the vocabulary", () => {
  for (
    const [bytes, why] of [
      [[], /begins with nothing/],
      [[7, 1], /begins with 7/],
      [[0, 0, 0, 0, 0, 16], /beyond the 36 tokens/],
      [[0, 0, 0, 0, 0, 0, 1], /beyond the 36 tokens/],
      [[1, 0, 37], /beyond the 36 tokens/],
      [[1, 0x80], /cut off/],
      [[1, 0xff, 0xff, 0xff, 0xff, 0x0f], /too long/],
    ] as const
  ) {
    const found = unpackMask(Uint8Array.from(bytes), 36);
    assert.match(String(found), why, `${bytes}`);
  }
  assert.deepEqual(unpackMask(Uint8Array.of(0, 0, 0, 0, 0, 8), 36), maskOf([35], 36));
});

Deno.test("unpackMask() takes any bytes without a fault", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 300 }), (bytes, n) => {
      const mask = unpackMask(bytes, n);
      if (typeof mask === "string") return;
      assert.equal(mask.length, Math.ceil(n / 32));
      for (let t = n; t < mask.length * 32; t++) assert.ok(!isAllowed(mask, t));
    }),
    { numRuns: 1000, seed: 4 },
  );
});

Deno.test("maskPart() gives each part of the vocabulary its own bits", () => {
  fc.assert(
    fc.property(masks, fc.nat(399), fc.nat(399), ({ tokens, allowed }, a, b) => {
      const [first, end] = [Math.min(a, b, tokens - 1), Math.min(Math.max(a, b) + 1, tokens)];
      const part = maskPart(maskOf(allowed, tokens), { first, tokens: end - first });
      const own = allowed.filter((t) => t >= first && t < end).map((t) => t - first);
      assert.deepEqual(part, maskOf(own, end - first));
    }),
    { numRuns: 500, seed: 5 },
  );
});

Deno.test("KnownMasks.note() drops, adds and bounds masks", () => {
  const known = new KnownMasks();
  const bits = packMask(oneToken(3), 10);
  assert.equal(known.note({ masks: [{ id: 4, bits }] }, 10), undefined);
  assert.ok(isAllowed(known.get(4)!, 3));
  assert.equal(known.note({ masks: [{ id: 5, bits }], drop_masks: [4] }, 10), undefined);
  assert.equal(known.get(4), undefined);
  assert.match(known.note({ masks: [{ id: 6, bits }] }, 3)!, /mask 6: .* beyond the 3 tokens/);
  const many = Array.from({ length: MOST_MASKS + 1 }, (_, id) => ({ id, bits }));
  assert.match(known.note({ masks: many }, 10)!, /at most 1024/);
});
