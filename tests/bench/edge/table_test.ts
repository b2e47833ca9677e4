import assert from "node:assert/strict";
import { type EdgeRow, edgeTable, PLAIN_PIPELINE } from "./table.ts";

const row = (fields: Partial<EdgeRow> & { name: string }): EdgeRow => ({
  devices: 1,
  mode: "plain",
  ttft: new Map(),
  ...fields,
});

const ROWS: EdgeRow[] = [
  row({ name: "one device", ttft: new Map([[512, 4]]), decode: 20, request: 5 }),
  row({ name: "one device + speculation", mode: "speculation", decode: 40, request: 4 }),
  row({ name: "one device + outline", mode: "outline", answerSpeed: 60 }),
  row({
    name: "one device",
    peer: "p 1",
    ttft: new Map([[512, 2]]),
    decode: 10,
    residentBytes: [5e6],
  }),
  row({
    name: PLAIN_PIPELINE,
    devices: 4,
    ttft: new Map([[512, 5]]),
    decode: 16,
    request: 5,
  }),
  row({ name: "+ speculation", devices: 4, mode: "speculation", decode: 60, request: 2 }),
  row({ name: "+ outline", devices: 4, mode: "outline", answerSpeed: 120 }),
  row({ name: "auto", devices: 4, mode: "auto", ttft: new Map([[512, 2]]), decode: 20 }),
];

/** Cells of the line that begins with a name, below the title that contains a word. */
function cellsOf(lines: string[], title: string, name: string): string[] {
  const from = lines.findIndex((line) => line.startsWith("ratios") && line.includes(title));
  const line = lines.slice(from + 1).find((l) => l.startsWith(`${name} `))!;
  return line.slice(name.length).trim().split(/ {2,}/);
}

Deno.test("edgeTable() compares a distributed row with the best of one device in its mode", () => {
  const lines = edgeTable(ROWS);
  const ratios = (name: string) => cellsOf(lines, "one device", name);
  assert.deepEqual(ratios("+ speculation"), ["1.50x / 3.75x", "2.00x / 2.50x"]);
  assert.deepEqual(ratios("+ outline"), ["2.00x / 7.50x"], "of as many tokens, decoded plainly");
  assert.deepEqual(ratios(PLAIN_PIPELINE), ["0.80x", "0.80x", "1.00x"]);
  assert.deepEqual(
    ratios("auto"),
    ["2.00x / 2.50x", "1.00x / 1.25x"],
    "`auto` had no predictions: it is held against one device without them",
  );
});

Deno.test("edgeTable() compares a peer with the rows of as many devices, in shared columns", () => {
  const lines = edgeTable(ROWS);
  assert.deepEqual(cellsOf(lines, "peer", "one device / p 1 one device"), ["0.50x", "2.00x"]);
  assert.deepEqual(cellsOf(lines, "peer", "one device + speculation / p 1 one device"), ["4.00x"]);
  assert.ok(!lines.some((line) => line.startsWith("auto / p 1")), "it has other devices");
  assert.match(lines.find((line) => line.startsWith("p 1: one device"))!, / 5$/, "resident MB");
});

Deno.test("edgeTable() prints one device alone without ratios", () => {
  assert.deepEqual(edgeTable(ROWS.slice(0, 2)).filter((line) => line.includes("ratios")), []);
});
