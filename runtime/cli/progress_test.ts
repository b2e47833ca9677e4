import assert from "node:assert/strict";
import { announcing, humanBytes, Progress, waitingFor } from "./progress.ts";

function terminalSink(terminal: boolean) {
  const written: string[] = [];
  return { written, sink: { terminal, write: (text: string) => void written.push(text) } };
}

function record(terminal: boolean) {
  const { written, sink } = terminalSink(terminal);
  return { written, progress: new Progress(sink) };
}

Deno.test("humanBytes() chooses the unit by the size", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [999, "999 B"],
    [1500, "1.5 kB"],
    [2.5e7, "25 MB"],
    [
      1.1e9,
      "1.1 GB",
    ],
  ];
  for (const [bytes, text] of cases) assert.equal(humanBytes(bytes), text);
});

Deno.test("Progress.show() writes a line for every tenth where there is no terminal", () => {
  const { written, progress } = record(false);
  for (let i = 0; i <= 100; i += 4) progress.show("fetching", i, 100, `${i} B`);
  assert.deepEqual(written.length, 10);
  assert.equal(written[0], "fetching: 10 % (12 B)\n");
  progress.show("converting", 100, 100, "head");
  progress.end();
  assert.deepEqual(written.at(-1), "converting: 100 % (head)\n");
});

Deno.test("Progress.show() redraws its line on a terminal, and end() ends it", () => {
  const { written, progress } = record(true);
  progress.show("fetching", 0, 100, "a");
  progress.show("fetching", 100, 100, "b");
  progress.show("converting", 5, 5, "c");
  progress.end();
  progress.end();
  assert.deepEqual(written, [
    `\r\x1b[Kfetching [${"-".repeat(24)}]   0 % a`,
    `\r\x1b[Kfetching [${"#".repeat(24)}] 100 % b`,
    "\n",
    `\r\x1b[Kconverting [${"#".repeat(24)}] 100 % c`,
    "\n",
  ]);
});

Deno.test("announcing() says on a terminal what is computed, and nothing elsewhere", () => {
  const { written, sink } = terminalSink(true);
  assert.equal(announcing("planning 4 devices", () => 3, sink), 3);
  assert.deepEqual(written, ["planning 4 devices ...", "\r\x1b[K"]);
  const quiet = terminalSink(false);
  assert.throws(() =>
    announcing("x", () => {
      throw new Error("no");
    }, quiet.sink), /no/);
  assert.deepEqual(quiet.written, []);
});

Deno.test("waitingFor() shows on a terminal what is waited for, and removes it", async () => {
  const { written, sink } = terminalSink(true);
  const late = new Promise<string>((resolve) => setTimeout(() => resolve("done"), 1_200));
  assert.equal(await waitingFor("examining", late, sink), "done");
  // A busy machine may draw a later second, and another one.
  const shown = written.slice(0, -1).map((text) => text.replace("\r\x1b[K", ""));
  assert.ok(shown.every((text) => /^examining: [1-9]\d* s$/.test(text)), shown.join());
  assert.ok(written.length >= 2);
  assert.equal(written.at(-1), "\r\x1b[K");
  const soon = terminalSink(true);
  await assert.rejects(waitingFor("x", Promise.reject(new Error("no")), soon.sink), /no/);
  assert.deepEqual(soon.written, []);
});
