/**
 * Stage graphs against the float64 reference: any split, any pieces, trees of rows, every
 * precision.
 *
 * Errors are relative to the largest value of what is compared (`tests/oracle/compare.ts`).
 */
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type Manifest, ModelStore, type Precision, PRECISIONS } from "../models/mod.ts";
import { assertClose, pickRows, relativeError } from "./oracle/compare.ts";
import { oracleForward, type OracleOutput, type OracleRow, storedTensors } from "./oracle/llama.ts";
import { StageChain } from "./oracle/stages.ts";
import {
  type TinyCheckpoint,
  type TinyCheckpointOptions,
  writeTinyCheckpoint,
} from "./support/tiny_checkpoint.ts";

/**
 * Checkpoint shapes: an even one, and ones where rows are no multiple of a quantisation block of
 * 32.
 */
const SHAPES: Record<string, TinyCheckpointOptions> = {
  even: { layers: 4, hidden: 64, intermediate: 96, heads: 4, kvHeads: 2 },
  odd: {
    layers: 3,
    hidden: 80,
    intermediate: 150,
    heads: 5,
    kvHeads: 1,
    headDim: 16,
    vocab: 291,
    tied: false,
    dtype: "bf16",
  },
  wide: {
    layers: 2,
    hidden: 96,
    intermediate: 160,
    heads: 2,
    kvHeads: 2,
    headDim: 64,
    config: {
      rope_scaling: {
        rope_type: "llama3",
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 64,
      },
    },
  },
};

/**
 * Against weights as stored. f32 and f16 (whose products run in f32) measured below 1e-6. q8 and q4
 * round activations to int8 a block (`accuracy_level` 4): measured up to 0.018 and 0.023; with
 * `accuracy_level` 1 they are as close as f32.
 */
const AS_STORED: Record<Precision, number> = {
  f32: 1e-5,
  f16: 1e-5,
  q8: 0.05,
  q4m: 0.05,
  q4: 0.05,
};

/**
 * Against the checkpoint's own weights: what rounding random ones costs; measured 6e-7, 8e-4,
 * 0.025, 0.25.
 */
const AS_TRAINED: Record<Precision, number> = { f32: 1e-5, f16: 3e-3, q8: 0.05, q4m: 0.4, q4: 0.4 };

/** Nine prompt rows, then two branches that hang on the prompt and grow in turns: A B A B A B. */
const TREE: OracleRow[] = [
  ...Array.from(
    { length: 9 },
    (_, i) => ({ token: 40 + 23 * i % 200, position: i, parent: i - 1 }),
  ),
  ...[[8, 70], [8, 71], [9, 80], [10, 81], [11, 90], [12, 91]].map(([parent, token], i) => (
    { token, position: 9 + Math.floor(i / 2), parent }
  )),
];
const EMBEDDED = fileURLToPath(new URL("../models/embedded/target", import.meta.url));

const ALL = TREE.map((_, row) => row);

const SCHEDULES: Record<string, number[]> = {
  "in one frame": [15],
  "in pieces": [4, 5, 2, 4],
  "step by step": Array(15).fill(1),
};

interface Fixture {
  manifest: Manifest;
  blobDir: string;
  checkpoint: TinyCheckpoint;
  oracle: OracleOutput;
}

async function withModel(
  shape: string,
  precision: Precision,
  run: (fixture: Fixture) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "orrery-oracle-" });
  try {
    const checkpoint = await writeTinyCheckpoint(`${dir}/checkpoint`, SHAPES[shape]);
    const { manifest, blobsDir: blobDir } = await (await ModelStore.open(`${dir}/store`))
      .add(checkpoint.dir, { name: "tiny", precision });
    const oracle = oracleForward(manifest.geometry, await storedTensors(manifest, blobDir), TREE);
    await run({ manifest, blobDir, checkpoint, oracle });
  } finally {
    await rm(dir, { recursive: true });
  }
}

/** Runs the tree in frames of the given lengths, every row wanted; all frames' outputs joined. */
async function runTree(
  { manifest, blobDir }: Fixture,
  ranges: [number, number][],
  frames: number[],
  accuracyLevel?: 1 | 4,
): Promise<{ hidden: number[][]; logits: number[] }> {
  await using chain = await StageChain.open(manifest, ranges, {
    blobDir,
    capacity: 24,
    accuracyLevel,
  });
  const hidden: number[][] = ranges.slice(1).map(() => []);
  const logits: number[] = [];
  let base = 0;
  for (const length of frames) {
    const rows = TREE.slice(base, base + length);
    const output = await chain.run(rows, rows.map((_, i) => i));
    output.hidden.forEach((values, stage) => hidden[stage].push(...values));
    logits.push(...output.logits);
    base += length;
  }
  return { hidden, logits };
}

/** All the ways of the issue to cut a model of this many layers. */
function splits(layers: number): [number, number][][] {
  const cut = (...starts: number[]) =>
    starts.map((start, i): [number, number] => [start, (starts[i + 1] ?? layers) - 1]);
  const each = cut(...Array.from({ length: layers }, (_, i) => i));
  return [cut(0), cut(0, 1), ...(layers > 2 ? [cut(0, 2), each] : [])];
}

for (const shape of Object.keys(SHAPES)) {
  for (const precision of PRECISIONS) {
    Deno.test(`buildStageGraph() of a ${shape} ${precision} model equals the float64 reference at every split and cut`, async (t) => {
      await withModel(shape, precision, async (fixture) => {
        const { layers } = fixture.manifest.geometry;
        for (const ranges of splits(layers)) {
          for (const [schedule, frames] of Object.entries(SCHEDULES)) {
            await t.step(
              `stages ${ranges.map(([a, b]) => `${a}-${b}`).join(" ")}, ${schedule}`,
              async () => {
                const { hidden, logits } = await runTree(fixture, ranges, frames);
                hidden.forEach((values, stage) => {
                  const reference = fixture.oracle.hidden[ranges[stage][1] + 1];
                  assertClose(
                    values,
                    reference,
                    AS_STORED[precision],
                    `hidden after layer ${ranges[stage][1]}`,
                  );
                });
                assertClose(logits, fixture.oracle.logits, AS_STORED[precision], "logits");
              },
            );
          }
        }
      });
    });
  }
}

for (const precision of PRECISIONS) {
  Deno.test(`buildStageGraph() of a ${precision} model gives the same bits at every split`, async () => {
    await withModel("even", precision, async (fixture) => {
      for (const frames of Object.values(SCHEDULES)) {
        const [whole, ...others] = splits(fixture.manifest.geometry.layers);
        const { logits } = await runTree(fixture, whole, frames);
        for (const ranges of others) {
          assert.deepEqual(
            (await runTree(fixture, ranges, frames)).logits,
            logits,
            `split ${ranges.join(" ")}`,
          );
        }
      }
    });
  });

  Deno.test(`buildStageGraph() of a ${precision} model stays near the checkpoint that it was made of`, async () => {
    await withModel("even", precision, async (fixture) => {
      const { tensors } = fixture.checkpoint;
      const original = oracleForward(
        fixture.manifest.geometry,
        (name) => (tensors.get(name) ?? tensors.get("model.embed_tokens.weight")!).values,
        TREE,
      );
      const { logits } = await runTree(fixture, [[0, 3]], [15]);
      assertClose(logits, original.logits, AS_TRAINED[precision], "logits");
    });
  });
}

for (const precision of ["q8", "q4"] as const) {
  Deno.test(`buildStageGraph() of a ${precision} model at accuracy level 1 is as close to its weights as f32`, async () => {
    for (const shape of ["even", "odd"]) {
      await withModel(shape, precision, async (fixture) => {
        const { logits } = await runTree(fixture, [[0, fixture.manifest.geometry.layers - 1]], [
          9,
          6,
        ], 1);
        assertClose(logits, fixture.oracle.logits, AS_STORED.f32, `${shape} logits`);
      });
    }
  });
}

Deno.test("buildStageGraph() gives two branches in one arena the numbers of each alone", async () => {
  await withModel("even", "f32", async (fixture) => {
    const { manifest, blobDir, oracle } = fixture;
    const { vocab } = manifest.geometry;
    for (const branch of [[9, 11, 13], [10, 12, 14]]) {
      const path = [0, 1, 2, 3, 4, 5, 6, 7, 8, ...branch];
      const rows = path.map((row, i) => ({ ...TREE[row], parent: i - 1 }));
      await using chain = await StageChain.open(manifest, [[0, 3]], { blobDir, capacity: 24 });
      const { logits } = await chain.run(rows, rows.map((_, i) => i));
      assertClose(logits, pickRows(oracle.logits, path, vocab), AS_STORED.f32, `branch ${branch}`);
    }
  });
});

Deno.test("buildStageGraph() shows a row its ancestors only: a plain causal mask is far away", async () => {
  await withModel("even", "f32", async (fixture) => {
    const chain = TREE.map((row, i) => ({ ...row, parent: i - 1 }));
    const { manifest, blobDir, oracle } = fixture;
    const causal = oracleForward(manifest.geometry, await storedTensors(manifest, blobDir), chain);
    assert.ok(relativeError(causal.logits, oracle.logits) > 0.05);
  });
});

Deno.test("buildStageGraph() gives logits of wanted rows only, in the order asked", async () => {
  await withModel("even", "f32", async ({ manifest, blobDir, oracle }) => {
    await using chain = await StageChain.open(manifest, [[0, 1], [2, 3]], {
      blobDir,
      capacity: 24,
    });
    const { vocab } = manifest.geometry;
    assert.equal((await chain.run(TREE.slice(0, 9), [])).logits.length, 0);
    const { logits } = await chain.run(TREE.slice(9), [5, 0, 3]);
    assertClose(logits, pickRows(oracle.logits, [14, 9, 12], vocab), AS_STORED.f32, "wanted rows");
  });
});

Deno.test("buildStageGraph() leaves nothing of rows that are overwritten", async () => {
  await withModel("even", "f32", async ({ manifest, blobDir, oracle }) => {
    await using chain = await StageChain.open(manifest, [[0, 3]], { blobDir, capacity: 24 });
    await chain.run(TREE.slice(0, 9), []);
    const rejected = [11, 12, 13, 14].map((token, i) => ({
      token,
      position: 9 + i,
      parent: 8 + i,
    }));
    await chain.run(rejected, []);
    const { logits } = await chain.run(TREE.slice(9), [0, 1, 2, 3, 4, 5], 9);
    const rows = ALL.slice(9);
    assertClose(
      logits,
      pickRows(oracle.logits, rows, manifest.geometry.vocab),
      AS_STORED.f32,
      "logits",
    );
  });
});

Deno.test("buildStageGraph() fills an arena to its last row", async () => {
  await withModel("even", "f32", async ({ manifest, blobDir, oracle }) => {
    await using chain = await StageChain.open(manifest, [[0, 3]], {
      blobDir,
      capacity: TREE.length,
    });
    await chain.run(TREE.slice(0, 7), []);
    const { logits } = await chain.run(TREE.slice(7), TREE.slice(7).map((_, i) => i));
    assertClose(
      logits,
      pickRows(oracle.logits, ALL.slice(7), manifest.geometry.vocab),
      AS_STORED.f32,
      "logits",
    );
  });
});

for (const precision of ["f32", "q4"] as const) {
  Deno.test(`buildStageGraph() of the embedded model at ${precision} equals the float64 reference`, async () => {
    const dir = await Deno.makeTempDir({ prefix: "orrery-oracle-" });
    try {
      const store = await ModelStore.open(dir);
      const { manifest, blobsDir: blobDir } = await store.add(EMBEDDED, { precision });
      const { layers, vocab } = manifest.geometry;
      const rows = Array.from(
        { length: 20 },
        (_, i) => ({ token: (30 + 97 * i) % vocab, position: i, parent: i - 1 }),
      );
      const oracle = oracleForward(manifest.geometry, await storedTensors(manifest, blobDir), rows);
      await using chain = await StageChain.open(manifest, [[0, 1], [2, layers - 1]], {
        blobDir,
        capacity: 32,
      });
      const { hidden, logits } = await chain.run(rows, rows.map((_, i) => i));
      assertClose(hidden[0], oracle.hidden[2], AS_STORED[precision], "hidden after layer 1");
      assertClose(logits, oracle.logits, AS_STORED[precision], "logits");
    } finally {
      await rm(dir, { recursive: true });
    }
  });
}
