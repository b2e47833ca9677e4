import assert from "node:assert/strict";
import { anonymousRegions, HugePages, type Region, without } from "./huge_pages.ts";

const region = (start: number, end: number): Region => ({ start: BigInt(start), end: BigInt(end) });

Deno.test("anonymousRegions() finds memory of the C library, no file's and no stack", () => {
  const maps = `\
55d0a4a00000-55d0a4a21000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000200000 rw-p 00000000 00:00 0 
7f0000200000-7f0000300000 ---p 00000000 00:00 0 
7f0000300000-7f0000400000 rw-p 00001000 fe:00 1234                       /usr/lib/libc.so.6
7f0000400000-7f0000500000 r--p 00000000 00:00 0 
7f0000500000-7f0000600000 rw-p 00000000 00:00 0                          [anon: glibc: malloc]
7f0000600000-7f0000700000 rw-p 00000000 00:00 0                          [anon:v8]
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]
`;
  assert.deepEqual(anonymousRegions(maps), [
    region(0x55d0a4a00000, 0x55d0a4a21000),
    region(0x7f0000000000, 0x7f0000200000),
    region(0x7f0000500000, 0x7f0000600000),
  ]);
});

Deno.test("without() leaves what is new: whole regions, grown ends, gaps that were filled", () => {
  const before = [region(10, 20), region(30, 40), region(50, 60)];
  const after = [region(0, 5), region(10, 45), region(55, 60), region(70, 80)];
  assert.deepEqual(without(after, before), [
    region(0, 5),
    region(20, 30),
    region(40, 45),
    region(70, 80),
  ]);
  assert.deepEqual(without(before, before), []);
});

Deno.test("HugePages.collapseNew() puts memory that came later on huge pages", async (t) => {
  const pages = HugePages.note();
  if (!pages) return;
  try {
    const bytes = 64 << 20;
    const memory = new Uint8Array(bytes).fill(7);
    const collapsed = await pages.collapseNew();
    await t.step("the memory keeps its content", () => {
      assert.ok(memory.every((x) => x === 7));
    });
    await t.step("most of it is collapsed, or nothing where the kernel cannot", () => {
      assert.ok(collapsed === 0 || collapsed > bytes / 2, `${collapsed} of ${bytes} bytes`);
    });
  } finally {
    pages.close();
  }
});
