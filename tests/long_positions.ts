/**
 * Stretched contexts, and layers that keep the rows of their window, against transformers at 16,384 positions: tiny checkpoints with the states that
 * it computed (`fixtures/make_long.py`). A maintainers' task, as it takes minutes of computing:
 * `deno task test:long`.
 */
import assert from "node:assert/strict";
import { copyFile, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { asFloat32 } from "../actors/pipeline/tensor.ts";
import type { StageEngine } from "../actors/pipeline/engine.ts";
import { samplingSchema } from "../actors/pipeline/frame.ts";
import { buildStageGraph, ModelStore, type StoredModel, windowOf } from "../models/mod.ts";
import { loadEngine } from "../runtime/engine/mod.ts";
import { assertClose } from "./oracle/compare.ts";
import { readSafetensors } from "./support/read_safetensors.ts";
import { inFolder } from "./support/store_folder.ts";
import "./support/open_library.ts";
import { trimTokenizer, writeTinyCheckpoint } from "./support/tiny_checkpoint.ts";

const FIXTURES = new URL("fixtures/long/", import.meta.url);
const LENGTH = 16384;
/** Rows whose states are known. */
const ROWS = [0, 1000, 4095, 4096, 9000, 16383];
/** Rows of a frame. */
const PIECE = 512;
const VOCAB = 199;
/**
 * Of states, as a share of the largest: f32 sums over 16,384 rows in another order. transformers
 * computes angles in f32; with those of longrope, dynamic and gemma3, whose frequencies are no powers
 * of two, its own states are 2.2e-4, 1.1e-4 and 3.2e-4 away from those with angles in f64, which ours
 * are.
 */
const TOLERANCES: Readonly<Record<string, number>> = {
  longrope: 5e-4,
  dynamic: 2e-4,
  gemma3: 5e-4,
};
const TOLERANCE = 1e-4;

/** Adds a fixture, which has no tokenizer of its own, with the whole context. */
async function add(dir: string, name: string): Promise<StoredModel> {
  const source = join(dir, name);
  await mkdir(source);
  for (const file of await readdir(new URL(name, FIXTURES))) {
    await copyFile(new URL(`${name}/${file}`, FIXTURES), join(source, file));
  }
  const { dir: tokenizer } = await writeTinyCheckpoint(join(dir, "tokenizer"), { layers: 1 });
  await copyFile(join(tokenizer, "tokenizer.json"), join(source, "tokenizer.json"));
  await trimTokenizer(source, VOCAB);
  const store = await ModelStore.open(join(dir, "store"));
  return await store.add(source, { precision: "f32", context: LENGTH });
}

/** States after the final norm of {@linkcode ROWS}, (rows, hidden). */
async function statesOf({ manifest, blobsDir }: StoredModel): Promise<Float64Array> {
  const { geometry } = manifest;
  const graph = await buildStageGraph(manifest, {
    firstLayer: 0,
    lastLayer: geometry.layers - 1,
    blobDir: blobsDir,
    head: false,
  });
  const engine = await loadEngine({
    ...{ graph, geometry, threads: 1 },
    arenaBudgetBytes: LENGTH * graph.kvBytesPerRow + (1 << 24),
  });
  try {
    return await run(engine, windowOf(geometry));
  } finally {
    await engine.dispose();
  }
}

/** Windowed layers keep the rows of their window alone, beside those of a frame. */
async function run(engine: StageEngine, window?: number): Promise<Float64Array> {
  const slots = (first: number, end: number) =>
    Int32Array.from({ length: end - first }, (_, i) => first + i);
  const states: number[] = [];
  for (let base = 0; base < LENGTH; base += PIECE) {
    const near_base = window && Math.min(base, window - 1);
    if (base === 0 || window) {
      const near = window && {
        capacity: window - 1 + PIECE,
        keep: slots(base - near_base!, base),
      };
      await engine.layout("r", { capacity: LENGTH, keep: slots(0, base), ...(near && { near }) });
    }
    const at = Array.from({ length: PIECE }, (_, i) => base + i);
    const want = at.filter((row) => ROWS.includes(row)).map((row) => row - base);
    const output = await engine.run({
      ...{ arena: "r", seq: 0, base, near_base },
      samplers: [{ id: 0, sampling: samplingSchema.parse({}), prompt_rows: LENGTH }],
      tokens: Int32Array.from(at, (i) => (7919 * i + i * i) % VOCAB),
      positions: Int32Array.from(at),
      parents: Int32Array.from(at, (i) => i - 1),
      want: Int32Array.from(want),
      want_samplers: Int32Array.from(want, () => 0),
    });
    assert.equal(output.kind, "normed");
    if (output.kind === "normed") states.push(...asFloat32(output.normed));
  }
  return Float64Array.from(states);
}

for (const name of (await readdir(FIXTURES)).sort()) {
  Deno.test(`${name} has the states of transformers at ${LENGTH} positions`, async () => {
    await inFolder(async (dir) => {
      const expected = await readSafetensors(new URL(`${name}/expected.safetensors`, FIXTURES));
      const states = await statesOf(await add(dir, name));
      assertClose(states, expected("states"), TOLERANCES[name] ?? TOLERANCE, name);
    });
  });
}
