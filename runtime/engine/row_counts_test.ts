import assert from "node:assert/strict";
import { hasCode } from "../../actors/system/errors.ts";
import { buildStageGraph } from "../../models/graph/mod.ts";
import { chain, Fixture, TOKENS } from "../../tests/support/engine_fixture.ts";
import { heldLibrary } from "./library.ts";
import { openRuntime } from "./ort.ts";
import { OrtStage } from "./ort_stage.ts";
import { RowCounts } from "./row_counts.ts";

Deno.test("RowCounts.changed() says which number is not what was written", () => {
  openRuntime(heldLibrary());
  const counts = new RowCounts();
  try {
    const tensors = { ...counts.feeds };
    counts.set(256);
    assert.equal(counts.changed(), undefined);
    counts.set(9, 4);
    assert.equal(counts.changed(), undefined);
    assert.deepEqual(counts.feeds, tensors, "frames share the tensors");
    counts.memory[1] = 7;
    assert.equal(counts.changed(), "its input total_rows was 9 and is 7 now");
  } finally {
    counts.release();
  }
});

Deno.test("OrtStage.run() refuses a frame while another one runs, which is not disturbed", async () => {
  await using fixture = await Fixture.make();
  const { geometry, model: { manifest, blobsDir: blobDir } } = fixture;
  const stage = await OrtStage.load({
    library: heldLibrary(),
    graph: await buildStageGraph(manifest, { firstLayer: 0, lastLayer: 0, blobDir }),
    ...{ geometry, threads: 1, spinning: false, arenaBudgetBytes: 1 << 24 },
  });
  try {
    for (const arena of ["a", "b"]) stage.layout(arena, { capacity: 128, keep: new Int32Array(0) });
    const alone = await stage.run(chain("a", 0, TOKENS));
    const [first, second] = await Promise.allSettled([
      stage.run(chain("b", 0, TOKENS)),
      stage.run(chain("a", TOKENS.length, TOKENS.slice(0, 3))),
    ]);
    assert.ok(second.status === "rejected" && hasCode(second.reason, "engine_failed"));
    assert.ok(first.status === "fulfilled" && first.value.kind === "hidden");
    assert.ok(alone.kind === "hidden");
    assert.deepEqual(first.value.hidden, alone.hidden);
    await stage.run(chain("a", TOKENS.length, TOKENS.slice(0, 3)));
  } finally {
    stage.dispose();
  }
});
