import assert from "node:assert/strict";
import { join } from "node:path";
import { LineFile, readLines } from "./lines.ts";

async function inFolder(run: (path: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    await run(join(dir, "lines.jsonl"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("readLines() numbers the lines, skips blank ones, and reports long ones without text", () =>
  inFolder(async (path) => {
    await Deno.writeTextFile(path, `\ufeffone\r\n\n${"x".repeat(200_000)}\nzwei ü\n \nlast`);
    const lines = await Array.fromAsync(readLines(path, 100));
    assert.deepEqual(lines, [
      { number: 1, text: "one" },
      { number: 3 },
      { number: 4, text: "zwei ü" },
      { number: 6, text: "last" },
    ]);
  }));

Deno.test("LineFile.open() cuts off a line that was not written to its end", () =>
  inFolder(async (path) => {
    {
      using file = await LineFile.open(path);
      await Promise.all([1, 2, 3].map((n) => file.append({ n })));
    }
    for (const torn of ['{"n":', `{"n":"${"x".repeat(150_000)}`]) {
      await Deno.writeTextFile(path, torn, { append: true });
      using file = await LineFile.open(path);
      await file.append({ n: 4 });
    }
    const numbers = (await Deno.readTextFile(path)).trim().split("\n").map((l) => JSON.parse(l).n);
    assert.deepEqual(numbers, [1, 2, 3, 4, 4]);
  }));
