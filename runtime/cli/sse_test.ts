import assert from "node:assert/strict";
import { eventData } from "./sse.ts";

async function events(...parts: (string | Uint8Array<ArrayBuffer>)[]): Promise<string[]> {
  const bytes = parts.map((part) =>
    typeof part === "string" ? new TextEncoder().encode(part) : part
  );
  return await Array.fromAsync(eventData(ReadableStream.from(bytes)));
}

Deno.test("eventData() yields the data of each event and skips comments and other fields", async () => {
  assert.deepEqual(
    await events(": hello\n\ndata: 1\n\nevent: x\nid: 3\ndata:2\n\ndata:  3\r\n\r\n"),
    [
      "1",
      "2",
      " 3",
    ],
  );
});

Deno.test("eventData() joins the data lines of one event", async () => {
  assert.deepEqual(await events("data: a\ndata: b\n\n"), ["a\nb"]);
});

Deno.test("eventData() yields the same wherever the bytes are cut", async () => {
  const bytes = new TextEncoder().encode("data: café 🙂\n\ndata: end\n\n");
  const single = Array.from(bytes, (_, i) => bytes.slice(i, i + 1));
  assert.deepEqual(await events(...single), ["café 🙂", "end"]);
});

Deno.test("eventData() drops an event that never ended", async () => {
  assert.deepEqual(await events("data: 1\n\ndata: 2\n"), ["1"]);
});
