import assert from "node:assert/strict";
import { join } from "node:path";
import { Checkpoint, GgufModel } from "../../../models/sources/mod.ts";
import { ggufName } from "../../support/gguf_writer.ts";
import { inFolder } from "../../support/store_folder.ts";
import { writeTinyCheckpoint } from "../../support/tiny_checkpoint.ts";
import { writeGguf } from "./write_gguf.ts";

Deno.test("writeGguf() writes a checkpoint's tensors as a GGUF reader must see them", async () => {
  await inFolder(async (dir) => {
    const folder = join(dir, "folder"), file = join(dir, "tiny.gguf");
    await writeTinyCheckpoint(folder, { layers: 2, hidden: 64, tied: false, shards: 2 });
    await writeGguf(folder, file);
    await using checkpoint = await Checkpoint.open(folder);
    await using gguf = await GgufModel.open(file);
    const inFile = [...checkpoint.tensors.keys()].map((name) => ggufName(name));
    assert.deepEqual([...gguf.tensors.keys()].sort(), inFile.sort());
    for (const [name, { shape }] of checkpoint.tensors) {
      const read = async (source: Checkpoint | GgufModel, name: string) => {
        const values: number[] = [];
        for await (const piece of source.read(name, shape)) values.push(...piece.values);
        return values;
      };
      const expected = await read(checkpoint, name);
      const found = await read(gguf, ggufName(name));
      const most = Math.max(...expected.map(Math.abs));
      // A step of Q4_0 is an eighth of its block's largest value; Q8_0 and F32 are finer.
      const step = shape.length === 1 ? 0 : most / (name === "lm_head.weight" ? 127 : 8);
      const worst = Math.max(...expected.map((x, i) => Math.abs(x - found[i])));
      assert.ok(worst <= step * 1.01, `${name} is off by ${worst}, a step is ${step}`);
    }
  });
});
