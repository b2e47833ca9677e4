import assert from "node:assert/strict";
import { partsOf, totalOf } from "./parts.ts";

const mapping = (range: string, access: string, name: string, kB: number) =>
  `${range} ${access} 00000000 00:00 0    ${name}\nSize:  ${
    2 * kB
  } kB\nRss:   ${kB} kB\nPss: 1 kB\n`;

const SMAPS = [
  mapping("55c89de53000-55c89f9e1000", "r--p", "/usr/bin/deno", 1000),
  mapping("7fd33d53c000-7fd33f7c9000", "r-xp", "/x/libonnxruntime.so.1", 200),
  mapping("7fd2e5082000-7fd2e5852000", "rw-p", "/data/blobs/327eb4ce", 30),
  mapping("7fd2bb7be000-7fd2e13e0000", "rw-p", "", 4000),
  mapping("7fd2e0000000-7fd2e0040000", "rw-p", "", 5),
  mapping("7fd2e1001000-7fd2e1041000", "rw-p", "", 60),
  mapping("55c8d7590000-55c8d819a000", "rw-p", "[heap]", 7),
  mapping("7fd2f0000000-7fd2f0001000", "rwxp", "", 8),
].join("");

Deno.test("partsOf() finds each part of a process's memory, and totalOf() adds them", () => {
  const parts = partsOf(SMAPS);
  const kB = Object.fromEntries(Object.entries(parts).map(([part, n]) => [part, n / 1024]));
  assert.deepEqual(kB, {
    ...{ program: 1000, onnx: 200, weights: 30, large: 4000, small: 60, pools: 12, other: 8 },
  });
  assert.equal(totalOf(parts), 5310 * 1024);
});
