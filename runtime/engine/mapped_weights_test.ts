import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildStageGraph } from "../../models/graph/mod.ts";
import {
  chain,
  Fixture,
  open,
  range,
  TOKENS,
  tokensOf,
} from "../../tests/support/engine_fixture.ts";
import { inFolder } from "../../tests/support/store_folder.ts";
import { MappedWeights } from "./mapped_weights.ts";
import { loadEngine } from "./mod.ts";

const ignore = Deno.build.os !== "linux";
const tensor = (location: string, offset: number, length: number) => (
  { name: `${location}.${offset}`, type: 2, dims: [length], location, offset, length }
);

Deno.test({
  name: "MappedWeights.open() maps files, whose bytes are the same after drop()",
  ignore,
}, async () => {
  await inFolder(async (dir) => {
    const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => i * 7);
    await writeFile(join(dir, "a"), bytes);
    await writeFile(join(dir, "b"), bytes.subarray(1000));
    const tensors = [tensor("a", 0, 5000), tensor("a", 9000, 11_000), tensor("b", 17, 4)];
    const weights = MappedWeights.open(dir, tensors)!;
    const read = (i: number) => {
      const view = new Deno.UnsafePointerView(weights.address(tensors[i])!);
      return new Uint8Array(view.getArrayBuffer(tensors[i].length)).slice();
    };
    for (let round = 0; round < 2; round++) {
      assert.deepEqual(read(0), bytes.slice(0, 5000));
      assert.deepEqual(read(1), bytes.slice(9000));
      assert.deepEqual(read(2), bytes.slice(1017, 1021));
      weights.drop();
    }
    weights.close();
  });
});

Deno.test(
  { name: "MappedWeights.open() says which file is missing or too short", ignore },
  async () => {
    await inFolder(async (dir) => {
      await writeFile(join(dir, "a"), new Uint8Array(100));
      assert.throws(() => MappedWeights.open(dir, [tensor("b", 0, 1)]), /b cannot be opened/);
      assert.throws(
        () => MappedWeights.open(dir, [tensor("a", 90, 11)]),
        /a has 100 bytes, not 101/,
      );
    });
  },
);

Deno.test("loadEngine() gives the same tokens, to the bit, where ONNX Runtime maps the weights", async () => {
  await using fixture = await Fixture.make();
  const { geometry, model } = fixture;
  const graph = await buildStageGraph(model.manifest, {
    firstLayer: 0,
    lastLayer: geometry.layers - 1,
    blobDir: model.blobsDir,
  });
  assert.ok(graph.external!.length > geometry.layers);
  const answers = [];
  for (const external of [graph.external, undefined]) {
    const engine = await loadEngine({
      graph: { ...graph, external },
      geometry,
      threads: 1,
      arenaBudgetBytes: 1 << 24,
    });
    await open(engine, "r");
    answers.push(await tokensOf(engine, chain("r", 0, TOKENS, { want: range(TOKENS.length) })));
    await engine.dispose();
  }
  assert.deepEqual(answers[0], answers[1]);
  if (ignore) return;
  // The mapped file is what the engine reads: another name for it is an error.
  const [first, ...rest] = graph.external!;
  const external = [{ ...first, location: "nowhere" }, ...rest];
  const options = {
    graph: { ...graph, external },
    geometry,
    threads: 1,
    arenaBudgetBytes: 1 << 24,
  };
  await assert.rejects(loadEngine(options), /nowhere cannot be opened/);
});
