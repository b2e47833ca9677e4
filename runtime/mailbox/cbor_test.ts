import assert from "node:assert/strict";
import * as cborg from "cborg";
import fc from "fast-check";
import { hasCode } from "../../actors/system/errors.ts";
import { decodeCbor, encodeCbor, MAX_DEPTH } from "./cbor.ts";

/** The typed arrays by the tag of RFC 8746, as cborg's options take them. */
const TYPED = {
  69: Uint16Array,
  70: Uint32Array,
  72: Int8Array,
  77: Int16Array,
  78: Int32Array,
  85: Float32Array,
  86: Float64Array,
};
const typeEncoders: NonNullable<cborg.EncodeOptions["typeEncoders"]> = {
  number: (x: number) => Object.is(x, -0) ? new cborg.Token(cborg.Type.float, x) : null,
};
const tags: NonNullable<cborg.DecodeOptions["tags"]> = {};
for (const [tag, type] of Object.entries(TYPED)) {
  typeEncoders[type.name] = (array: ArrayBufferView) => [
    new cborg.Token(cborg.Type.tag, Number(tag)),
    new cborg.Token(
      cborg.Type.bytes,
      new Uint8Array(array.buffer, array.byteOffset, array.byteLength),
    ),
  ];
  tags[Number(tag)] = (content) => {
    const bytes = content();
    if (!(bytes instanceof Uint8Array)) throw new Error("a typed array of something else");
    return new type(bytes.slice().buffer);
  };
}

/** The oracle: cborg, an independent library, narrowed to the same subset. */
const other = {
  encode: (v: unknown) => cborg.encode(v, { float64: true, mapSorter: undefined, typeEncoders }),
  decode: (bytes: Uint8Array): unknown =>
    cborg.decode(bytes, {
      allowIndefinite: false,
      allowBigInt: false,
      rejectDuplicateMapKeys: true,
      tags,
    }),
};

const scalar = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ minLength: 20, maxLength: 300 }),
  fc.maxSafeInteger(),
  fc.double(),
  fc.constantFrom(-0, 2 ** 32, -(2 ** 32) - 1, 2 ** 53 - 1, 1 - 2 ** 53),
  fc.float64Array({ maxLength: 5 }),
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
    assert.deepEqual(other.decode(bytes), v);
    assert.deepEqual(decodeCbor(bytes), v);
  }));
});

Deno.test("decodeCbor() reads what cborg writes as the same value", () => {
  fc.assert(fc.property(value, (v) => assert.deepEqual(decodeCbor(other.encode(v)), v)));
});

Deno.test("encodeCbor() keeps negative zero, infinities, NaN and the largest integers", () => {
  for (
    const x of [
      -0,
      Infinity,
      -Infinity,
      NaN,
      2 ** 53 - 1,
      1 - 2 ** 53,
      2 ** 53,
      -(2 ** 32) - 1,
      1e300,
      2 ** -1074,
    ]
  ) {
    assert.ok(Object.is(decodeCbor(encodeCbor(x)), x), String(x));
  }
});

Deno.test("encodeCbor() keeps the order of keys, undefined and a leading byte order mark", () => {
  const v = {
    zebra: 1,
    a: undefined,
    "\ufeffkey": ["\ufeff" + "x".repeat(40), "\ufeff", "\ufffd", "\u{1f600}"],
  };
  const back = decodeCbor(encodeCbor(v)) as object;
  assert.deepEqual(back, v);
  assert.deepEqual(Object.keys(back), Object.keys(v));
});

Deno.test("decodeCbor() gives back typed arrays of every kind, small and large, at any alignment", () => {
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

Deno.test("encodeCbor() writes typed arrays as cborg does", () => {
  const v = {
    i: new Int32Array([1, -2]),
    f: new Float32Array([0.5, 2]),
    d: new Float64Array([0.1]),
  };
  assert.deepEqual(other.decode(encodeCbor(v)), v);
  assert.deepEqual(decodeCbor(other.encode(v)), v);
});

Deno.test("decodeCbor() gives each array a buffer of its own, which may be transferred", () => {
  const bytes = encodeCbor({
    big: new Float32Array(5000),
    small: new Uint8Array(5),
    none: new Int32Array(0),
  });
  for (let i = 0; i < 2; i++) {
    const arrays = Object.values(decodeCbor(bytes) as Record<string, Uint8Array<ArrayBuffer>>);
    for (const array of arrays) {
      assert.equal(array.byteLength, array.buffer.byteLength);
      structuredClone(array, { transfer: [array.buffer] });
    }
    assert.deepEqual(arrays.map((array) => array.length), [0, 0, 0]);
  }
});

Deno.test("encodeCbor() leaves room in front, and shares nothing with the value", () => {
  const big = new Float32Array(100_000).fill(1);
  const bytes = encodeCbor([big, "text"], 14);
  big.fill(2);
  assert.deepEqual(decodeCbor(bytes.subarray(14)), [new Float32Array(100_000).fill(1), "text"]);
});

Deno.test("encodeCbor() names the place of what it cannot encode, and goes on afterwards", () => {
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
      new (class Floats extends Float32Array {})(1),
      new BigInt64Array(1),
      new DataView(new ArrayBuffer(1)),
      new ArrayBuffer(1),
    ]
  ) {
    assert.throws(
      () => encodeCbor({ a: [0, { b: bad }] }),
      (error) => hasCode(error, "unencodable") && error.message.includes("a.1.b"),
    );
  }
  assert.throws(() => encodeCbor(cycle), (error) => hasCode(error, "unencodable"));
  assert.throws(
    () => encodeCbor(JSON.parse('{"__proto__": 1}')),
    (error) => hasCode(error, "unencodable"),
  );
  assert.deepEqual(decodeCbor(encodeCbor({ fine: true })), { fine: true });
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
    "a negative integer beyond 2^53": [0x3b, 0xff, 0, 0, 0, 0, 0, 0, 0],
    "an indefinite map": [0xbf, 0xff],
    "a break in a map": [0xa1, 0x61, 0x61, 0xff],
    "a key twice": [0xa2, 0x61, 0x61, 1, 0x61, 0x61, 2],
    "long text that is not UTF-8": [0x78, 40, ...new Array(39).fill(0x61), 0xc3],
    "a float array of text": [0xd8, 0x55, 0x64, 97, 97, 97, 97],
    "a float array of a float array": [0xd8, 0x55, 0xd8, 0x55, 0x44, 0, 0, 0, 0],
    "a tag on nothing": [0xd8, 0x55],
    "a tag of eight bytes": [0xdb, 0xff, 0, 0, 0, 0, 0, 0, 85, 0x40],
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
    "nesting deeper than the stack": new Array(1_000_000).fill(0x81),
    "tags deeper than the stack": new Array(1_000_000).fill([0xd8, 0x55]).flat(),
  };
  for (const [what, bytes] of Object.entries(hostile)) {
    assert.throws(
      () => decodeCbor(new Uint8Array(bytes)),
      (error) => hasCode(error, "protocol"),
      what,
    );
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

Deno.test("decodeCbor() gives what cborg gives, or refuses, when bytes of a good message are changed", () => {
  const change = fc.record({ at: fc.nat(), byte: fc.nat(255) });
  fc.assert(
    fc.property(value, fc.array(change, { minLength: 1, maxLength: 3 }), (v, changes) => {
      const bytes = other.encode({ v, array: new Float32Array(3) });
      for (const { at, byte } of changes) bytes[at % bytes.length] = byte;
      let got: unknown;
      try {
        got = decodeCbor(bytes);
      } catch (error) {
        assert.ok(hasCode(error, "protocol"), String(error));
        return;
      }
      assert.deepEqual(got, other.decode(bytes));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("decodeCbor() keeps a byte order mark and integers of eight bytes, beside any other text", () => {
  const long = "x".repeat(100);
  const v = {
    [`\ufeff${long}`]: `\ufeff${long}`,
    marks: [`\ufeff`, `\ue000${long}`, `\ue001`, 2 ** 40, 1 - 2 ** 53],
    10: "a key that looks like an index",
  };
  assert.deepEqual(decodeCbor(encodeCbor(v)), v);
  assert.deepEqual(decodeCbor(other.encode(v)), v);
});

Deno.test("encodeCbor() writes negative zeros beside the number that stands for them, and lone surrogates as U+FFFD", () => {
  const v = [-0, -Number.MIN_VALUE, -0, 0, -2 * Number.MIN_VALUE, { a: -0 }];
  assert.deepEqual(decodeCbor(encodeCbor(v)), v);
  assert.deepEqual(other.decode(encodeCbor(v)), v);
  assert.deepEqual(decodeCbor(encodeCbor({ "\ud800": ["a\udc00b"] })), { "\ufffd": ["a\ufffdb"] });
});

Deno.test("encodeCbor() writes a message of more than a megabyte, and small ones afterwards", () => {
  const large = { array: new Float32Array(600_000).fill(0.5), text: "é".repeat(10) };
  assert.deepEqual(decodeCbor(encodeCbor(large)), large);
  assert.deepEqual(decodeCbor(encodeCbor({ small: [1, "é"] })), { small: [1, "é"] });
});

Deno.test("decodeCbor() refuses a key that stands twice among many", () => {
  const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
  const bytes = other.encode(Object.fromEntries(keys.map((key) => [key, 1])));
  const text = [...other.encode("k99")];
  const at = bytes.findLastIndex((_, i) => text.every((byte, k) => bytes[i + k] === byte));
  assert.deepEqual(Object.keys(decodeCbor(bytes) as object), keys);
  bytes[at + 3] = "8".charCodeAt(0);
  assert.throws(() => decodeCbor(bytes), (error) => hasCode(error, "protocol"));
});
