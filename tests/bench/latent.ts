// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * What latent attention costs and saves beside the same heads with keys and values of their own:
 * `deno task bench:latent`.
 *
 * Two layers of DeepSeek-V2-Lite's attention with random weights (q4) and a small MLP, run by the
 * engine in this process on one thread. Times are of the processor, so that other work on the machine
 * matters less, and of one layer.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { samplingSchema, type StageEngine } from "../../actors/mod.ts";
import { buildStageGraph, type Geometry } from "../../models/mod.ts";
import { loadEngine } from "../../runtime/engine/mod.ts";
import { syntheticModel } from "./engine/synthetic.ts";
import { alignRows, describeMachine, medianOf } from "./shared/figures.ts";
import { inTemporaryFolder } from "./shared/temporary_folder.ts";

const help = `Measure a layer with latent attention and one with the keys and values of all heads.

Usage: deno task bench:latent [options]

  --repeats N     frames of each size at each length, of which the median counts (default 9)
  --json          print figures as JSON
  --help          print this

On a busy machine only ratios within one run mean anything.`;

const { values: args } = parseArgs({
  options: {
    repeats: { type: "string", default: "9" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const repeats = Number(args.repeats);

const LAYERS = 2;
const COMMON = {
  ...{ layers: LAYERS, hidden: 2048, intermediate: 1024, heads: 16, head_dim: 192, vocab: 800 },
  ...{ context: 8192, norm_eps: 1e-6, tied_embeddings: true },
};
const SHAPES: Record<"latent" | "heads", Geometry> = {
  latent: {
    ...{ ...COMMON, architecture: "DeepseekV2ForCausalLM", kv_heads: 1 },
    rope: { theta: 10_000, scaling: null, dims: 64, interleaved: true },
    attention: { latent: { rank: 512, value: 128 } },
  },
  heads: {
    ...{ ...COMMON, architecture: "LlamaForCausalLM", kv_heads: 16 },
    rope: { theta: 10_000, scaling: null },
  },
};
/** Rows of a text before the frames that are measured, and rows of such a frame. */
const LENGTHS = [0, 256, 1024, 4096];
const SIZES = [1, 16, 64];
/** Rows of a frame that only makes the text longer. */
const PIECE = 256;

/** Milliseconds of the processor that a layer takes for a frame, by `rows at length`. */
type Times = Record<string, number>;

if (args.help) console.log(help);
else if (!(Number.isInteger(repeats) && repeats >= 1)) {
  console.error(`--repeats ${args.repeats}: give a whole number from 1 on`);
  Deno.exit(2);
} else await inTemporaryFolder(main);

async function main(dir: string): Promise<void> {
  const [latent, heads] = [
    await measure(SHAPES.latent, dir),
    await measure(SHAPES.heads, dir),
  ];
  if (args.json) return console.log(JSON.stringify({ latent, heads }, null, 2));
  console.log(`${describeMachine({ load: true })}; one thread, medians of ${repeats}`);
  const rows = [
    ["rows", "after rows", "heads, ms", "latent, ms", "ratio"],
    ...Object.entries(latent.times).map(([key, ms]) => [
      ...key.split(" at "),
      heads.times[key].toFixed(2),
      ms.toFixed(2),
      (ms / heads.times[key]).toFixed(2),
    ]),
  ];
  for (const line of alignRows(rows)) console.log(line);
  console.log(`KV cache, bytes of a row in a layer: ${heads.bytes} and ${latent.bytes}`);
}

/** Times of one layer of this shape, and the bytes that it keeps of a row. */
async function measure(
  geometry: Geometry,
  dir: string,
): Promise<{ times: Times; bytes: number }> {
  const manifest = await syntheticModel(geometry, dir);
  const range = { firstLayer: 0, lastLayer: LAYERS - 1, blobDir: dir };
  const graph = await buildStageGraph(manifest, range);
  const engine = await loadEngine({ graph, geometry, threads: 1, arenaBudgetBytes: 2 ** 31 });
  const times: Times = {};
  try {
    await engine.layout("bench", { capacity: LENGTHS.at(-1)! + PIECE, keep: new Int32Array(0) });
    let length = 0;
    for (const wanted of LENGTHS) {
      for (; length < wanted; length += PIECE) await run(engine, length, PIECE);
      for (const rows of SIZES) {
        const all: number[] = [];
        for (let i = 0; i <= repeats; i++) {
          const before = process.cpuUsage();
          await run(engine, length, rows);
          const { user, system } = process.cpuUsage(before);
          if (i > 0) all.push((user + system) / 1000 / LAYERS); // the first one warms up
        }
        times[`${rows} at ${wanted}`] = medianOf(all);
      }
    }
  } finally {
    await engine.dispose();
  }
  return { times, bytes: graph.kvBytesPerRow / LAYERS };
}

/** Runs a frame of rows that follow on the first `base` rows of a text. */
async function run(engine: StageEngine, base: number, rows: number): Promise<void> {
  await engine.run({
    arena: "bench",
    seq: 0,
    samplers: [{ id: 0, sampling: samplingSchema.parse({}), prompt_rows: 1 }],
    base,
    tokens: new Int32Array(rows),
    positions: Int32Array.from({ length: rows }, (_, i) => base + i),
    parents: Int32Array.from({ length: rows }, (_, i) => base + i - 1),
    want: Int32Array.of(rows - 1),
    want_samplers: Int32Array.of(0),
  });
}
