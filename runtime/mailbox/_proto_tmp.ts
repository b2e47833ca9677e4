import * as cborg from "cborg";
import { CborEncoder, decodeCbor } from "/work/main/runtime/mailbox/cbor.ts";
import { Encoder as X } from "cbor-x";
const { Token, Type, Tokenizer } = cborg;
const TAGS: [number, any][] = [[69,Uint16Array],[70,Uint32Array],[72,Int8Array],[77,Int16Array],[78,Int32Array],[85,Float32Array],[86,Float64Array]];
const typeEncoders: any = { };
for (const [tag, K] of TAGS) typeEncoders[K.name] = (v: ArrayBufferView) => [new Token(Type.tag, tag), new Token(Type.bytes, new Uint8Array(v.buffer, v.byteOffset, v.byteLength))];
const withZero = {...typeEncoders, number: (n: number) => Object.is(n, -0) ? new Token(Type.float, n) : null};
const tags: any = {};
for (const [tag, K] of TAGS) tags[tag] = (decode: any) => { const b = decode(); if (!(b instanceof Uint8Array)) throw new Error("x"); return new K(b.buffer, b.byteOffset, b.byteLength / K.BYTES_PER_ELEMENT); };
const encSorted = { float64: true, typeEncoders: withZero };
const encPlain = { ...encSorted, mapSorter: undefined };
const dec = { allowIndefinite: false, allowBigInt: false, tags, rejectDuplicateMapKeys: true, retainStringBytes: true };
const dec2 = { ...dec, retainStringBytes: false };
const fatal = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
class Strict2 extends Tokenizer {
  override next() {
    const at = this.pos();
    const token = super.next();
    if (token.type === Type.string) {
      const width = this.data[at] & 31;
      const start = at + (width < 24 ? 1 : 1 + (1 << (width - 24)));
      if (token.value.length !== this.pos() - start || token.value.includes("\ufffd")) token.value = fatal.decode(this.data.subarray(start, this.pos()));
    }
    return token;
  }
}
class Strict extends Tokenizer {
  override next() {
    const t: any = super.next();
    if (t.byteValue !== undefined && (t.byteValue.length !== t.value.length || t.value.includes("\ufffd"))) t.value = fatal.decode(t.byteValue);
    return t;
  }
}
const TYPES = new Set<unknown>(TAGS.map(x => x[1]));
function bad(v: unknown, depth: number): string | undefined {
  switch (typeof v) { case "string": case "number": case "boolean": case "undefined": return; case "object": break; default: return ""; }
  if (v === null) return;
  if (depth >= 64) return "";
  if (Array.isArray(v)) { for (let i = 0; i < v.length; i++) { const p = bad(v[i], depth + 1); if (p !== undefined) return `${i}.${p}`; } return; }
  if (ArrayBuffer.isView(v)) return v instanceof Uint8Array || TYPES.has(v.constructor) ? undefined : "";
  const proto = Object.getPrototypeOf(v);
  if (proto !== Object.prototype && proto !== null) return "";
  for (const k of Object.keys(v)) { if (k === "__proto__") return k; const p = bad((v as any)[k], depth + 1); if (p !== undefined) return `${k}.${p}`; }
}
const frame = (rows: number, open = false) => ({ kind: "tell", id: 123456, to: "default/stage/1-3f2a", from: "default/generation/7d1c9e0a-2b6f", type: "frame", ttlMs: 29876.123, epoch: 3,
  trace: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
  body: { request: "7d1c9e0a-2b6f-4c3d-9e1a-8a7b6c5d4e3f", seq: 41, base: 57, tokens: new Int32Array(rows), positions: new Int32Array(rows), parents: new Int32Array(rows), want: new Int32Array(1),
    hidden: { dtype: "f32", shape: [rows, 896], data: new Uint8Array(rows * 896 * 4).fill(7) } } });
const echo8k = { kind: "tell", id: 0, to: "bench/echo/0", from: "bench/driver/0", type: "echo", body: new Uint8Array(8192) };
const small = { kind: "reply", id: 7, body: { ok: true } };
const ours = new CborEncoder();
const x = new X({ useRecords: false, tagUint8Array: false, mapsAsObjects: true } as any);
const impl: Record<string, [(v: any) => Uint8Array, (b: Uint8Array) => unknown]> = {
  ours: [(v) => { const e = ours.encode(v, 14); return e.parts.length === 1 ? e.parts[0].subarray(14) : new Uint8Array(Buffer.concat(e.parts).subarray(14)); }, decodeCbor],
  "ours(no concat)": [(v) => { const e = ours.encode(v, 14); return e.parts[0]; }, () => 0],
  "cborg bare sorted": [(v) => cborg.encode(v, encSorted), (b) => cborg.decode(b, { ...dec, retainStringBytes: false })],
  "cborg bare unsorted": [(v) => cborg.encode(v, encPlain), (b) => cborg.decode(b, { ...dec, retainStringBytes: false })],
  "cborg full": [(v) => { if (bad(v, 0) !== undefined) throw 1; return cborg.encode(v, encPlain); }, (b) => { const v = cborg.decode(b, { ...dec, tokenizer: new Strict(b, dec) }); if (bad(v, 0) !== undefined) throw 1; return v; }],
  "cborg full2": [(v) => { if (bad(v, 0) !== undefined) throw 1; return cborg.encode(v, encPlain); }, (b) => { const v = cborg.decode(b, { tokenizer: new Strict2(b, dec2), tags, rejectDuplicateMapKeys: true }); if (bad(v, 0) !== undefined) throw 1; return v; }],
  "cborg full2 nowalk": [(v) => { return cborg.encode(v, encPlain); }, (b) => { const v = cborg.decode(b, { tokenizer: new Strict2(b, dec2), tags, rejectDuplicateMapKeys: true });  return v; }],
  "cborg full2 nodup": [(v) => { return cborg.encode(v, encPlain); }, (b) => { const v = cborg.decode(b, { tokenizer: new Strict2(b, dec2), tags, });  return v; }],
  "cbor-x": [(v) => x.encode(v), (b) => x.decode(b)],
};
function med(f: () => void, n: number) { const t: number[] = []; for (let r = 0; r < 9; r++) { const s = performance.now(); for (let i = 0; i < n; i++) f(); t.push((performance.now() - s) * 1000 / n); } return t.sort((a, b) => a - b)[4]; }
for (let round = 0; round < 2; round++)
for (const [name, v, n] of [["decode frame 1 row", frame(1), 1000], ["64 rows", frame(64), 200], ["echo 8k", echo8k, 2000], ["small", small, 5000]] as [string, any, number][]) {
  for (const [who, [e, d]] of Object.entries(impl)) {
    const bytes = new Uint8Array(e(v));
    const te = med(() => e(v), n);
    const td = who.includes("no concat") ? NaN : med(() => d(bytes), n);
    if (round) console.log(name.padEnd(20), who.padEnd(22), bytes.length, "enc", te.toFixed(2), "dec", td.toFixed(2), "sum", (te + td).toFixed(2), "us");
  }
}
