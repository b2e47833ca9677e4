import assert from "node:assert/strict";
import { boundaryOf, fieldText, readForm } from "./multipart.ts";

/** A body that arrives in pieces of so many bytes. */
function arriving(text: string, piece: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at += piece));
    },
  });
}

async function parts(text: string, piece = 1_000): Promise<[string, string | undefined, string][]> {
  const found: [string, string | undefined, string][] = [];
  for await (const part of readForm(arriving(text, piece), "xyz")) {
    found.push([part.name, part.filename, await fieldText(part)]);
  }
  return found;
}

const FORM = [
  "a preamble",
  "--xyz",
  'Content-Disposition: form-data; name="purpose"',
  "",
  "batch",
  "--xyz",
  'content-disposition: form-data; name="file"; filename="a \\"b\\".jsonl"',
  "content-type: application/jsonl",
  "",
  "one\r\n--xy\r\n--two\r\n",
  "--xyz--",
  "",
].join("\r\n");

Deno.test("readForm() gives the parts of a form, whatever the pieces in which it arrives", async () => {
  const expected = [
    ["purpose", undefined, "batch"],
    ["file", 'a "b".jsonl', "one\r\n--xy\r\n--two\r\n"],
  ];
  for (const piece of [1, 2, 3, 7, 64, 10_000]) {
    assert.deepEqual(await parts(FORM, piece), expected, `pieces of ${piece}`);
  }
  assert.deepEqual(await parts("--xyz--\r\n"), []);
});

Deno.test("readForm() takes what FormData makes", async () => {
  const form = new FormData();
  form.set("purpose", "batch");
  form.set("file", new File(["x".repeat(200_000)], "größe.jsonl"));
  const request = new Request("http://node/", { method: "POST", body: form });
  const boundary = boundaryOf(request.headers.get("content-type"));
  const sizes: Record<string, number> = {};
  for await (const { name, filename, content } of readForm(request.body!, boundary)) {
    sizes[filename ?? name] = 0;
    for await (const bytes of content) sizes[filename ?? name] += bytes.length;
  }
  assert.deepEqual(sizes, { purpose: 5, "größe.jsonl": 200_000 });
});

Deno.test("readForm() refuses what is cut off or no form", async () => {
  const wrong: [string, RegExp][] = [
    ["", /ends before its last boundary/],
    ["--xyz", /ends behind a boundary/],
    ["--xyz\r\ncontent-disposition: form-data; name=a", /ends within a part's headers/],
    [
      "--xyz\r\ncontent-disposition: form-data; name=a\r\n\r\ntext",
      /ends before its last boundary/,
    ],
    ["--xyzz\r\n", /followed by something else/],
    ["--xyz\r\ncontent-type: text/plain\r\n\r\ntext\r\n--xyz--", /part 1 has no name/],
    [`--xyz\r\na: ${"b".repeat(20_000)}`, /headers are too long/],
    [
      "--xyz\r\ncontent-disposition: form-data; name=a\r\n\r\n\r\n".repeat(33) + "--xyz--",
      /more than 32 parts/,
    ],
  ];
  for (const [text, says] of wrong) await assert.rejects(parts(text), says, text.slice(0, 60));
  const long = FORM.replace("batch", "b".repeat(20_000));
  await assert.rejects(parts(long), /purpose: the field is longer than 16 KiB/);
});

Deno.test("boundaryOf() reads the boundary and refuses other types", () => {
  assert.equal(boundaryOf('multipart/form-data; charset=utf-8; boundary="a b"'), "a b");
  assert.equal(boundaryOf("Multipart/Form-Data;boundary=--x"), "--x");
  for (
    const type of [null, "application/json", "multipart/form-data", "multipart/mixed; boundary=a"]
  ) {
    assert.throws(() => boundaryOf(type), /must be multipart\/form-data with a boundary/);
  }
});
