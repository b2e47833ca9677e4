import assert from "node:assert/strict";
import { BranchPanel, isWide } from "./branch_panel.ts";
import { columnsOf } from "./word_wrap.ts";

/** What a terminal shows of an output that moves the cursor up and clears below. */
function shown(output: string): string[] {
  const lines = [""];
  let at = 0;
  // deno-lint-ignore no-control-regex -- these are the codes that the panel writes
  for (const [, up, , text] of output.matchAll(/\x1b\[(\d+)A|(\r\x1b\[J)|([^\x1b\r]+)/g)) {
    if (up !== undefined) at -= Number(up);
    else if (text === undefined) lines.splice(at, Infinity, "");
    else {
      const [first, ...rest] = text.split("\n");
      lines[at] += first;
      for (const line of rest) lines[++at] = line;
    }
  }
  return lines;
}

Deno.test("BranchPanel shows branches side by side, and in the end the answer in order", () => {
  let time = 0;
  const panel = new BranchPanel({ columns: 60, rows: 20, now: () => time });
  let output = "";
  const add = (branch: number, text: string) => {
    output += panel.add(branch, text);
    time += 100;
  };
  add(1, "2. Sun: it warms the sea. ");
  add(0, "1. Sea: water rises ");
  add(1, "Then clouds form over the hills and the coast");
  const [first, second] = shown(output);
  assert.match(first, /^1\. Sea: water rises +│ 2\. Sun: it warms the sea\.$/);
  assert.match(second, /^ +│ Then clouds form over the$/);
  for (const line of panel.lines()) assert.ok(columnsOf(line) <= 60, line);
  output += panel.end();
  assert.deepEqual(shown(output), [
    "1. Sea: water rises",
    "",
    "2. Sun: it warms the sea. Then clouds form over the hills",
    "and the coast",
  ]);
});

Deno.test("BranchPanel shows those that grow where not all have room, and the end of long ones", () => {
  let time = 0;
  const panel = new BranchPanel({ columns: 60, rows: 8, now: () => time });
  for (const branch of [3, 1, 0, 2]) panel.add(branch, `${branch + 1}. Point`);
  assert.match(panel.lines()[0], /^1\. Point +│ 2\. Point$/);
  time = 10_000;
  for (const branch of [3, 2]) panel.add(branch, "");
  panel.add(3, "\n" + Array.from({ length: 30 }, (_, i) => `line ${i}`).join("\n"));
  const lines = panel.lines();
  assert.ok(lines.length <= 6, `${lines.length} lines`);
  assert.match(lines[0], /^3\. Point +│ 4\. Point$/);
  assert.match(lines.at(-1)!, /│ line 29$/);
  assert.ok(isWide(60) && !isWide(40));
});
