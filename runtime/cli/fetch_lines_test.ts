import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { FetchLines } from "./fetch_lines.ts";

/** Shows a fetch of 100 steps of 100 ms; `fromStep` is the first. */
function record(terminal: boolean, { steps = 100, background = false } = {}) {
  const written: string[] = [];
  let now = 0;
  const lines = new FetchLines(
    { terminal, write: (text) => void written.push(stripVTControlCharacters(text)) },
    () => now,
  );
  for (let i = 1; i <= steps; i++) {
    now += 100;
    const doneBytes = i * 1e6;
    const facts = { model: "m", totalBytes: 100e6, bytesPerS: 1e7, peers: 2, background };
    lines.show({ ...facts, doneBytes });
  }
  lines.show(undefined);
  return written;
}

Deno.test("FetchLines.show() writes a line for every tenth where there is no terminal", () => {
  const written = record(false);
  assert.equal(written.length, 9);
  assert.equal(written[0], "fetch    m: 11 of 100 MB (11 %), 10 MB/s from 2 nodes\n");
});

Deno.test("FetchLines.show() draws its line at most once a second on a terminal, and ends it", () => {
  const written = record(true, { background: true });
  assert.equal(written.length, 9 + 1);
  assert.equal(written[0], "\rcopy     m: 11 of 100 MB (11 %), 10 MB/s from 2 nodes");
  assert.equal(written.at(-1), "\n");
});

Deno.test("FetchLines.show() writes nothing of a fetch of less than a second", () => {
  assert.deepEqual(record(false, { steps: 10 }), []);
  assert.deepEqual(record(true, { steps: 10 }), []);
});
