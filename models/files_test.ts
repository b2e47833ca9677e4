import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../tests/support/store_folder.ts";
import { parseJson, readIfThere, readJsonFile, readRequired } from "./files.ts";

Deno.test("readIfThere() gives undefined for an absent file only", () =>
  inFolder(async (dir) => {
    await Deno.writeTextFile(join(dir, "a"), "b");
    assert.deepEqual(await readIfThere(join(dir, "a")), new TextEncoder().encode("b"));
    assert.equal(await readIfThere(join(dir, "absent")), undefined);
    await assert.rejects(readIfThere(dir), { group: "model", code: "file_unreadable" });
  }));

Deno.test("readRequired() refuses an absent file with its path", () =>
  inFolder(async (dir) => {
    const path = join(dir, "config.json");
    await assert.rejects(readRequired(path), {
      group: "model",
      code: "file_missing",
      message: `${path} does not exist; a model folder must have it`,
    });
  }));

Deno.test("readJsonFile() and parseJson() name the file that is not JSON", () =>
  inFolder(async (dir) => {
    const path = join(dir, "config.json");
    await Deno.writeTextFile(path, '{"a": [1]}');
    assert.deepEqual(await readJsonFile(path), { a: [1] });
    await Deno.writeTextFile(path, "{");
    await assert.rejects(readJsonFile(path), { code: "file_malformed", metadata: { file: path } });
    assert.throws(() => parseJson(new TextEncoder().encode("no"), "x/y.json"), {
      code: "file_malformed",
      message: /^x\/y\.json is not JSON: /,
    });
  }));

Deno.test("parseJson() reads the numbers that Python writes, outside of texts only", () => {
  const read = (text: string) => parseJson(new TextEncoder().encode(text), "config.json");
  assert.deepEqual(read('{"a": [Infinity, -Infinity, NaN], "b": "NaN \\" Infinity"}'), {
    a: [Infinity, -Infinity, null],
    b: 'NaN " Infinity',
  });
});
