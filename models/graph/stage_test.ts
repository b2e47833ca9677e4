import assert from "node:assert/strict";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { basename } from "node:path";
import { hasCode } from "../../actors/system/errors.ts";
import { type Manifest, type TensorEntry } from "../manifest.ts";
import { decodeModel } from "./onnx.ts";
import { buildStageGraph } from "./stage.ts";

/** A manifest without blobs: a graph is made from the manifest alone. */
function manifest(precision: "f32" | "q4" = "q4"): Manifest {
  const sizes = { hidden: 64, intermediate: 96, vocab: 40 };
  const { hidden, intermediate, vocab } = sizes;
  const part = { offset: 0, bytes: 64 };
  const entry = (shape: number[]): TensorEntry =>
    shape.length === 1 || precision === "f32"
      ? { shape, format: "f32", data: part }
      : { shape, format: "q4", data: part, scales: { offset: 64, bytes: 64 } };
  const group = (digit: number, tensors: Record<string, number[]>) => ({
    sha256: String(digit).repeat(64),
    bytes: 128,
    tensors: Object.fromEntries(
      Object.entries(tensors).map(([name, shape]) => [name, entry(shape)]),
    ),
  });
  const layer = {
    "attn_norm": [hidden],
    "attn.q": [64, hidden],
    "attn.k": [32, hidden],
    "attn.v": [32, hidden],
    "attn.o": [hidden, 64],
    "mlp_norm": [hidden],
    "mlp.gate": [intermediate, hidden],
    "mlp.up": [intermediate, hidden],
    "mlp.down": [hidden, intermediate],
  };
  return {
    version: 1,
    name: "paper",
    geometry: {
      architecture: "LlamaForCausalLM",
      ...sizes,
      layers: 3,
      heads: 4,
      kv_heads: 2,
      head_dim: 16,
      context: 32,
      norm_eps: 1e-5,
      rope: { theta: 10000, scaling: null },
      tied_embeddings: true,
    },
    precision,
    source: "none",
    embedding: group(1, { embed: [vocab, hidden] }),
    layers: [2, 3, 4].map((digit) => group(digit, layer)),
    head: group(5, { norm: [hidden], lm_head: [vocab, hidden] }),
    files: {},
    eos_tokens: [],
    bos_token: null,
  };
}

async function withFolder(run: (blobDir: string) => Promise<void>): Promise<void> {
  const blobDir = await Deno.makeTempDir({ prefix: "orrery-graph-" });
  try {
    await run(blobDir);
  } finally {
    await rm(blobDir, { recursive: true });
  }
}

interface DecodedGraph {
  node: { name: string; op_type: string }[];
  initializer: { external_data: { key: string; value: string }[] }[];
  input: { name: string }[];
  output: { name: string }[];
}

async function readGraph(path: string): Promise<DecodedGraph> {
  return decodeModel(await readFile(path)).graph as DecodedGraph;
}

Deno.test("buildStageGraph() gives every stage the inputs and outputs of the contract", async () => {
  await withFolder(async (blobDir) => {
    const common = ["positions", "bias", "past_rows", "total_rows"];
    const kv = (layer: number, when: string) => [`${when}_key.${layer}`, `${when}_value.${layer}`];
    const expected = [
      [["tokens", ...common, ...kv(0, "past")], ["next_hidden", ...kv(0, "present")]],
      [["hidden", ...common, ...kv(1, "past")], ["next_hidden", ...kv(1, "present")]],
      [
        ["hidden", ...common, "want", "scored", ...kv(2, "past")],
        ["logits", "normed", ...kv(2, "present")],
      ],
    ];
    for (const [layer, [inputs, outputs]] of expected.entries()) {
      const stage = await buildStageGraph(manifest(), {
        firstLayer: layer,
        lastLayer: layer,
        blobDir,
      });
      const graph = await readGraph(stage.path);
      assert.deepEqual(graph.input.map((v) => v.name).sort(), inputs.sort());
      assert.deepEqual(graph.output.map((v) => v.name).sort(), outputs.sort());
      assert.deepEqual([stage.first, stage.last], [layer === 0, layer === 2]);
    }
  });
});

Deno.test("buildStageGraph() asks for a window's bias only in stages with windowed layers", async () => {
  await withFolder(async (blobDir) => {
    const windowed = manifest();
    windowed.geometry.local = { window: 8, layers: [1] };
    for (const [layer, window] of [[0, undefined], [1, 8], [2, undefined]] as const) {
      const stage = await buildStageGraph(windowed, {
        firstLayer: layer,
        lastLayer: layer,
        blobDir,
      });
      assert.equal(stage.window, window);
      const { input } = await readGraph(stage.path);
      assert.equal(input.some(({ name }) => name === "window_bias"), window !== undefined);
    }
  });
});

Deno.test("buildStageGraph() rounds the cached head up to a multiple of 8", async () => {
  await withFolder(async (blobDir) => {
    const odd = manifest("f32");
    odd.geometry.head_dim = 10;
    odd.geometry.heads = odd.geometry.kv_heads = 2;
    for (const { tensors } of odd.layers) {
      for (const part of ["q", "k", "v"]) tensors[`attn.${part}`].shape = [20, 64];
      tensors["attn.o"].shape = [64, 20];
    }
    const stage = await buildStageGraph(odd, { firstLayer: 0, lastLayer: 1, blobDir });
    assert.deepEqual(
      [stage.caches.length, stage.caches[0][0].dim, stage.kvBytesPerRow],
      [2, 16, 2 * 2 * 2 * 16 * 4],
    );
  });
});

Deno.test("buildStageGraph() names its nodes as paths, each once", async () => {
  await withFolder(async (blobDir) => {
    const { path } = await buildStageGraph(manifest(), { firstLayer: 0, lastLayer: 2, blobDir });
    const names = (await readGraph(path)).node.map((node) => node.name);
    assert.equal(new Set(names).size, names.length);
    assert.ok(names.includes("/model/layers.0/attn/q_proj/MatMul"));
    assert.ok(names.includes("/lm_head/MatMul"));
  });
});

Deno.test("buildStageGraph() refers only to the blobs of its own layers", async () => {
  await withFolder(async (blobDir) => {
    const stage = await buildStageGraph(manifest(), { firstLayer: 1, lastLayer: 1, blobDir });
    const { initializer } = await readGraph(stage.path);
    const files = initializer.flatMap((i) =>
      i.external_data.filter((e) => e.key === "location").map((e) => e.value)
    );
    assert.deepEqual([...new Set(files)].filter((file) => !file.startsWith("rope-")), [
      "3".repeat(64),
    ]);
    assert.equal(stage.kvBytesPerRow, 2 * 2 * 16 * 4);
    assert.equal(stage.weightBytes, 128);
  });
});

Deno.test("buildStageGraph() gives the same bytes and name anywhere and keeps an existing file", async () => {
  await withFolder((one) =>
    withFolder(async (two) => {
      const range = { firstLayer: 0, lastLayer: 1 };
      const a = await buildStageGraph(manifest(), { ...range, blobDir: one });
      const b = await buildStageGraph(manifest(), { ...range, blobDir: two });
      assert.equal(basename(a.path), basename(b.path));
      assert.deepEqual(await readFile(a.path), await readFile(b.path));
      const before = await stat(a.path);
      await buildStageGraph(manifest(), { ...range, blobDir: one });
      assert.deepEqual((await stat(a.path)).ino, before.ino);
      const other = await buildStageGraph(manifest(), { ...range, blobDir: one, accuracyLevel: 1 });
      assert.notEqual(other.path, a.path);
      assert.deepEqual((await readdir(one)).filter((name) => name.endsWith(".tmp")), []);
    })
  );
});

Deno.test("buildStageGraph() leaves whole files when two callers build at once", async () => {
  await withFolder(async (blobDir) => {
    const build = () => buildStageGraph(manifest(), { firstLayer: 0, lastLayer: 2, blobDir });
    const stages = await Promise.all([build(), build(), build()]);
    assert.equal(new Set(stages.map((s) => s.path)).size, 1);
    assert.equal((await readGraph(stages[0].path)).output.length, 8);
    assert.equal((await readdir(blobDir)).length, 2);
  });
});

Deno.test("buildStageGraph() refuses layers that do not exist and names those that do", async () => {
  await withFolder(async (blobDir) => {
    for (const [firstLayer, lastLayer] of [[0, 3], [2, 1], [-1, 0], [0, 0.5]]) {
      await assert.rejects(
        buildStageGraph(manifest(), { firstLayer, lastLayer, blobDir }),
        (error) =>
          hasCode(error, "bad_layer_range") && /paper, which has layers 0-2/.test(error.message),
      );
    }
  });
});

Deno.test("buildStageGraph() refuses an unknown architecture by name", async () => {
  await withFolder(async (blobDir) => {
    const stranger = manifest();
    stranger.geometry.architecture = "GPT2LMHeadModel";
    await assert.rejects(
      buildStageGraph(stranger, { firstLayer: 0, lastLayer: 0, blobDir }),
      (error) =>
        hasCode(error, "architecture_unknown") &&
        /GPT2LMHeadModel.*LlamaForCausalLM/.test(error.message),
    );
  });
});

Deno.test("buildStageGraph() refuses tensors that are absent, of another shape or without scales", async () => {
  await withFolder(async (blobDir) => {
    const broken = async (code: string, change: (m: Manifest) => void) => {
      const bad = manifest();
      change(bad);
      await assert.rejects(
        buildStageGraph(bad, { firstLayer: 0, lastLayer: 0, blobDir }),
        (error) =>
          hasCode(error, code) && /model\.layers\.0\.self_attn\.k_proj\.weight/.test(error.message),
      );
    };
    await broken("tensor_missing", (m) => delete m.layers[0].tensors["attn.k"]);
    await broken("bad_tensor", (m) => m.layers[0].tensors["attn.k"].shape = [64, 64]);
    await broken("bad_tensor", (m) => delete m.layers[0].tensors["attn.k"].scales);
    assert.deepEqual((await readdir(blobDir)).filter((name) => name.startsWith("stage-")), []);
  });
});

Deno.test("buildStageGraph() reads only the rows of the tokens that have logits", async () => {
  await withFolder(async (blobDir) => {
    const last = { firstLayer: 2, lastLayer: 2, blobDir };
    const tokens = [{ first: 0, rows: 8 }, { first: 38, rows: 2 }];
    for (const precision of ["f32", "q4"] as const) {
      const rows = 40;
      const sized = manifest(precision);
      const { lm_head: head } = sized.head.tensors;
      head.data = { offset: 4096, bytes: rows * 64 };
      if (head.scales) head.scales = { offset: 8192, bytes: rows * 8 };
      const whole = await buildStageGraph(sized, last);
      const some = await buildStageGraph(sized, { ...last, tokens });
      assert.deepEqual(some.logits.map(({ first, rows }) => ({ first, rows })), tokens);
      const row = precision === "q4" ? 64 + 8 : 64;
      assert.equal(whole.weightBytes - some.weightBytes, 30 * row);
      const parts = some.external!.filter(({ name }) => name.startsWith("lm_head"));
      assert.deepEqual(
        parts.filter(({ name }) => !name.endsWith("scales")).map((p) => [p.offset, p.length]),
        [[4096, 8 * 64], [4096 + 38 * 64, 2 * 64]],
      );
    }
    for (
      const wrong of [
        [],
        [{ first: 0, rows: 41 }],
        [{ first: 5, rows: 3 }, { first: 7, rows: 1 }],
        [{ first: 0.5, rows: 1 }],
      ]
    ) {
      await assert.rejects(
        buildStageGraph(manifest(), { ...last, tokens: wrong }),
        (error) => hasCode(error, "bad_token_range"),
      );
    }
  });
});
