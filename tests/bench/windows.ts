// deno-lint-ignore-file no-console
/**
 * What windowed layers gain by keeping the rows of their window alone: `deno task bench:windows`.
 *
 * A stage in this process has a model with random weights of the shape of Gemma 3 270M, where five
 * layers of six have a window of 512 positions. A prompt and a few tokens run through an arbiter, with
 * windowed layers that keep all rows, and that keep few, by turns.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { samplingSchema, type StageEngine } from "../../actors/mod.ts";
import { buildStageGraph, type Geometry, type Manifest } from "../../models/mod.ts";
import { loadEngine } from "../../runtime/engine/mod.ts";
import { RebuildWorld } from "../support/rebuild_world.ts";
import { syntheticModel } from "./engine/synthetic.ts";
import { alignRows, describeMachine, medianOf } from "./shared/figures.ts";
import { inTemporaryFolder } from "./shared/temporary_folder.ts";

const help = `Measure windowed layers that keep all rows, and those of their window.

Usage: deno task bench:windows [options]

  --tokens N      tokens of the prompt (default 16000)
  --answer N      tokens of the answer (default 64)
  --repeats N     turns of each, of which the median counts (default 1)
  --quick         a prompt of 4000 tokens
  --json          print figures as JSON
  --help          print this

On a busy machine only ratios within one run mean anything.`;

const { values: args } = parseArgs({
  options: {
    tokens: { type: "string" },
    answer: { type: "string", default: "64" },
    repeats: { type: "string", default: "1" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const tokens = Number(args.tokens ?? (args.quick ? 4000 : 16000));
const answer = Number(args.answer);
const repeats = Number(args.repeats);

const LAYERS = 18;
const WINDOW = 512;
/** The shape of Gemma 3 270M with a small vocabulary, and the plain layers of a Llama. */
const GEOMETRY: Geometry = {
  architecture: "LlamaForCausalLM",
  layers: LAYERS,
  hidden: 640,
  intermediate: 2048,
  heads: 4,
  kv_heads: 1,
  head_dim: 256,
  vocab: 32000,
  context: 32768,
  norm_eps: 1e-6,
  rope: { theta: 1e6, scaling: null },
  local: {
    window: WINDOW,
    layers: Array.from({ length: LAYERS }, (_, i) => i).filter((i) => i % 6 !== 5),
  },
  tied_embeddings: true,
};
const ARENA_BYTES = 2 ** 32;

/** Figures of one turn. */
interface Figures {
  /** Bytes of the KV cache in the end. */
  bytes: number;
  /** Tokens of the prompt a second. */
  prompt: number;
  /** Tokens of the answer a second. */
  answer: number;
}

if (args.help) console.log(help);
else if (!(tokens >= 1 && answer >= 2 && tokens + answer <= GEOMETRY.context && repeats >= 1)) {
  console.error(
    `--tokens takes at least 1, --answer 2, both together at most ${GEOMETRY.context}; --repeats 1`,
  );
  Deno.exit(2);
} else await inTemporaryFolder(main);

async function main(dir: string): Promise<void> {
  const manifest = await syntheticModel(GEOMETRY, dir);
  const turns: Record<"all" | "few", Figures[]> = { all: [], few: [] };
  for (let i = 0; i < repeats; i++) {
    for (const mode of ["all", "few"] as const) {
      turns[mode].push(await measure(manifest, dir, mode === "few"));
    }
  }
  const median = (figures: Figures[]): Figures => ({
    bytes: medianOf(figures.map(({ bytes }) => bytes)),
    prompt: medianOf(figures.map(({ prompt }) => prompt)),
    answer: medianOf(figures.map(({ answer }) => answer)),
  });
  const [all, few] = [median(turns.all), median(turns.few)];
  if (args.json) return console.log(JSON.stringify({ tokens, all, few }, null, 2));
  console.log(
    `${
      describeMachine({ load: true })
    }; Gemma 3 270M's shape, q4, one stage; a prompt of ${tokens} ` +
      `tokens, medians of ${repeats}`,
  );
  const row = (name: string, { bytes, prompt, answer }: Figures) => [
    name,
    (bytes / 2 ** 20).toFixed(0),
    prompt.toFixed(1),
    answer.toFixed(1),
  ];
  const ratio = (of: (figures: Figures) => number) => (of(few) / of(all)).toFixed(2);
  const rows = [
    ["windowed layers keep", "KV, MiB", "prompt, tokens/s", "answer, tokens/s"],
    row("all rows", all),
    row("few rows", few),
    ["ratio", ratio((f) => f.bytes), ratio((f) => f.prompt), ratio((f) => f.answer)],
  ];
  for (const line of alignRows(rows, [0])) console.log(line);
}

async function measure(manifest: Manifest, blobDir: string, few: boolean): Promise<Figures> {
  const { geometry } = manifest;
  const engines: StageEngine[] = [];
  await using world = new RebuildWorld({
    ...{ stages: 1, wire: "f16", capacityRows: tokens + answer },
    ...(few && { windowed: { window: WINDOW } }),
    load: async () => {
      const graph = await buildStageGraph(manifest, {
        firstLayer: 0,
        lastLayer: LAYERS - 1,
        blobDir,
      });
      const threads = navigator.hardwareConcurrency;
      const engine = await loadEngine({
        ...{ graph, geometry, threads, arenaBudgetBytes: ARENA_BYTES },
      });
      engines.push(engine);
      return engine;
    },
  });
  await world.warm();
  const prompt = Int32Array.from({ length: tokens }, (_, i) => (i * 7919) % geometry.vocab);
  const times: number[] = [];
  let bytes = 0;
  const began = performance.now();
  await world.answers([{ prompt, sampling: samplingSchema.parse({}) }], {
    count: answer,
    at: answer,
    act: async () => bytes = (await engines[0].stats()).arenaBytes,
    each: () => void times.push(performance.now()),
  });
  return {
    bytes,
    prompt: tokens / (times[0] - began) * 1000,
    answer: (answer - 1) / (times.at(-1)! - times[0]) * 1000,
  };
}
