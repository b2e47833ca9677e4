import assert from "node:assert/strict";
import * as cborg from "cborg";
import { Decoder as CborX, Encoder as CborXEncoder } from "cbor-x";
import fc from "fast-check";
import { hasCode } from "../../actors/errors.ts";
import { CborEncoder, decodeCbor, encodeCbor, MAX_DEPTH } from "./cbor.ts";

const scalar = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ minLength: 20, maxLength: 300 }),
  fc.maxSafeInteger(),
  fc.double().map((x) => x === 0 ? 0 : x), // cbor-x writes -0 as 0
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array({ maxLength: 40 }),
);
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    scalar,
    fc.array(tie("any"), { maxLength: 30 }),
    fc.dictionary(fc.string().filter((key) => key !== "__proto__"), tie("any"), {
      maxKeys: 30,
      noNullPrototype: true,
    }),
  ),
})).any;

Deno.test("encodeCbor() writes what cborg reads as the same value", () => {
  fc.assert(fc.property(value, (v) => {
    const bytes = encodeCbor(v);
    assert.deepEqual(cborg.decode(bytes), v);
    assert.deepEqual(decodeCbor(bytes), v);
  }));
});

Deno.test("decodeCbor() reads what cborg and cbor-x write as the same value", () => {
  const other = new CborXEncoder({ useRecords: false, tagUint8Array: false } as object);
  fc.assert(fc.property(value, (v) => {
    assert.deepEqual(decodeCbor(cborg.encode(v)), v);
    assert.deepEqual(decodeCbor(other.encode(v)), v);
  }));
});

Deno.test("encodeCbor() keeps negative zero, infinities and NaN", () => {
  for (const x of [-0, Infinity, -Infinity, NaN]) {
    assert.ok(Object.is(decodeCbor(encodeCbor(x)), x));
    assert.ok(Object.is(cborg.decode(encodeCbor(x)), x));
  }
});

Deno.test("typed arrays of every kind come back as themselves, small and large, at any alignment", () => {
  const kinds = [
    Uint8Array,
    Int8Array,
    Uint16Array,
    Int16Array,
    Uint32Array,
    Int32Array,
    Float32Array,
    Float64Array,
  ];
  for (const Kind of kinds) {
    for (const length of [0, 1, 5, 2000, 20_000]) {
      for (const shift of ["", "x", "xx", "xxx"]) {
        const array = new Kind(length).map((_: number, i: number) => i % 100);
        assert.deepEqual(decodeCbor(encodeCbor({ shift, array })), { shift, array });
      }
    }
  }
});

Deno.test("typed arrays decode the same through cbor-x", () => {
  const value = { i: new Int32Array([1, -2]), f: new Float32Array([0.5, 2]), d: new Float64Array([0.1]) };
  assert.deepEqual(new CborX({ useRecords: false } as object).decode(encodeCbor(value)), value);
  assert.deepEqual(decodeCbor(new CborXEncoder({ useRecords: false } as object).encode(value)), value);
});

Deno.test("CborEncoder.encode() hands a big typed array on without copying it", () => {
  const big = new Float32Array(100_000);
  const { parts, bytes } = new CborEncoder().encode({ before: 1, big, after: 2 });
  assert.ok(parts.some((part) => part.buffer === big.buffer && part.byteLength === big.byteLength));
  assert.equal(bytes, parts.reduce((sum, part) => sum + part.byteLength, 0));
});

Deno.test("CborEncoder.encode() leaves what it gave out before untouched", () => {
  const encoder = new CborEncoder();
  const values = Array.from({ length: 2000 }, (_, i) => ({ i, text: "y".repeat(i % 500) }));
  const encoded = values.map((v) => encoder.encode(v));
  for (const [i, { parts }] of encoded.entries()) assert.deepEqual(decodeCbor(parts[0]), values[i]);
});

Deno.test("CborEncoder.encode() names the place of what it cannot encode, and goes on afterwards", () => {
  const encoder = new CborEncoder();
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  for (
    const bad of [
      1n,
      new Date(0),
      new Map(),
      () => 1,
      Symbol("s"),
      new (class Thing {})(),
      new BigInt64Array(1),
    ]
  ) {
    assert.throws(
      () => encoder.encode({ a: [0, { b: bad }] }),
      (error) => hasCode(error, "unencodable") && error.message.includes("a.1.b"),
    );
  }
  assert.throws(() => encoder.encode(cycle), (error) => hasCode(error, "unencodable"));
  assert.deepEqual(decodeCbor(encoder.encode({ fine: true }).parts[0]), { fine: true });
});

Deno.test("decodeCbor() refuses what is outside the subset", () => {
  const hostile: Record<string, number[]> = {
    "nothing": [],
    "a truncated integer": [0x19, 0x01],
    "truncated text": [0x65, 0x61],
    "text that is not UTF-8": [0x62, 0xff, 0xfe],
    "four billion array items": [0x9a, 0xff, 0xff, 0xff, 0xff],
    "2^60 map entries": [0xbb, 0x10, 0, 0, 0, 0, 0, 0, 0],
    "four billion bytes": [0x5a, 0xff, 0xff, 0xff, 0xff, 1],
    "indefinite bytes": [0x5f, 0x41, 0, 0xff],
    "an indefinite array": [0x9f, 0xff],
    "an integer beyond 2^53": [0x1b, 0xff, 0, 0, 0, 0, 0, 0, 0],
    "a bignum": [0xc2, 0x41, 1],
    "a date": [0xc1, 0x00],
    "a regular expression": [0xd8, 0x23, 0x61, 0x61],
    "a shared reference": [0xd8, 0x1d, 0x00],
    "a cbor-x record definition": [0xd9, 0xdf, 0xff, 0x83, 0x00, 0x81, 0x61, 0x61, 0x01],
    "a float array of odd length": [0xd8, 0x55, 0x43, 1, 2, 3],
    "a map with an integer key": [0xa1, 0x01, 0x01],
    "__proto__": [0xa1, 0x69, ...new TextEncoder().encode("__proto__"), 0xa0],
    "a reserved simple value": [0xf8, 0x20],
    "a lone break": [0xff],
    "bytes after the value": [0x01, 0x02],
    "deep nesting": [...new Array(MAX_DEPTH + 1).fill(0x81), 0x01],
  };
  for (const [what, bytes] of Object.entries(hostile)) {
    assert.throws(() => decodeCbor(new Uint8Array(bytes)), (error) => hasCode(error, "protocol"), what);
  }
});

Deno.test("decodeCbor() answers any bytes with a value or a protocol error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeCbor(bytes);
      } catch (error) {
        assert.ok(hasCode(error, "protocol"), String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("decodeCbor() reads half and single floats", () => {
  for (
    const [bytes, want] of [
      [[0xf9, 0x3c, 0x00], 1],
      [[0xf9, 0xc4, 0x00], -4],
      [[0xf9, 0x00, 0x01], 2 ** -24],
      [[
        0xf9,
        0x7c,
        0x00,
      ], Infinity],
      [[0xfa, 0x40, 0x49, 0x0f, 0xdb], Math.fround(Math.PI)],
    ] as [number[], number][]
  ) {
    assert.equal(decodeCbor(new Uint8Array(bytes)), want);
  }
});
