// deno-lint-ignore-file no-console
/**
 * Measures what the number of weights that share a scale costs and gains: the divergence from f32
 * on the embedded model's corpus beside the time of frames of a 0.5B shape, one line for each way
 * of storing.
 *
 * @module
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { StageEngine } from "../../../actors/pipeline/engine.ts";
import { type AddOptions, buildStageGraph, ModelStore } from "../../../models/mod.ts";
import { loadEngine } from "../../../runtime/engine/mod.ts";
import type { StageChain } from "../../oracle/stages.ts";
import {
  HALF_BILLION_GEOMETRY,
  type SyntheticFormat,
  syntheticModel,
} from "../engine/synthetic.ts";
import { chainFrame } from "../shared/chain.ts";
import { best, encode, openWhole, readTopics, rowsOf, type Tokens } from "./quality.ts";

/** A way of storing a model: for the converter, and for the model that is timed. */
interface Variant {
  name: string;
  add: AddOptions;
  synthetic: SyntheticFormat;
}

const VARIANTS: Variant[] = [
  { name: "q4 block 32, head q8 32", add: { block: 32 }, synthetic: { block: 32 } },
  { name: "q4 block 64, head q8 64", add: { block: 64 }, synthetic: { block: 64 } },
  { name: "q4 block 128, head q8 128", add: { block: 128 }, synthetic: { block: 128 } },
  { name: "q4 as by default", add: {}, synthetic: {} },
  { name: "q4m", add: { precision: "q4m" }, synthetic: { precision: "q4m" } },
  { name: "q4 as by default, head q4", add: { headPrecision: "q4" }, synthetic: { head: "q4" } },
];
/** Rows of the frames that are timed, and how often. */
const FRAMES = [[1, 40], [8, 16], [64, 6]];
const PAST_ROWS = 256;
/** Divergence of a way of storing from f32. */
interface Divergence {
  /** Nats a token: the sum over the vocabulary of p ln(p / q), p of f32. */
  kl: number;
  /** Share of tokens, 0 to 1, that are the most likely one of both. */
  same: number;
}

/** Measures and prints the table. `quick` takes fewer texts and frames. */
export async function printBlocks(dir: string, quick: boolean): Promise<void> {
  const divergences = await measureDivergences(join(dir, "store"), quick ? 60 : 6);
  const { times, bytes } = await measureTimes(join(dir, "synthetic"), quick);
  console.log(
    "\nweights that share a scale: divergence of the embedded model from f32, and milliseconds of frames of a " +
      `0.5B shape after ${PAST_ROWS} rows, one thread (least, and against the first line)`,
  );
  const row = (name: string, cells: string[]) =>
    console.log(name.padEnd(28) + cells.map((cell) => cell.padStart(18)).join(""));
  row("stored as", [
    "KL, nats",
    "same tokens",
    "MB a layer",
    ...FRAMES.map(([rows]) => `${rows} rows`),
  ]);
  for (const [i, { name }] of VARIANTS.entries()) {
    const { kl, same } = divergences[i];
    row(name, [
      `${kl.toFixed(5)} (${(kl / divergences[0].kl).toFixed(2)})`,
      `${(100 * same).toFixed(2)} %`,
      (bytes[i] / 1e6).toFixed(2),
      ...times[i].map((ms, n) => `${ms.toFixed(1)} (${(ms / times[0][n]).toFixed(2)})`),
    ]);
  }
}

async function measureDivergences(storeDir: string, step: number): Promise<Divergence[]> {
  const store = await ModelStore.open(storeDir);
  const embedded = fileURLToPath(new URL("../../../models/embedded/target", import.meta.url));
  const base = await store.add(embedded, { name: "f32", precision: "f32" });
  const [tokenizer, template] = [await base.tokenizer(), await base.chatTemplate()];
  const texts = (await readTopics()).filter((_, i) => i % step === 0)
    .map((topic) => encode(tokenizer, template, topic, base));
  const found: Divergence[] = [];
  for (const [i, { add }] of VARIANTS.entries()) {
    const model = await store.add(embedded, { name: `variant-${i}`, precision: "q4", ...add });
    await using reference = await openWhole(base);
    await using chain = await openWhole(model);
    found.push(await divergence(reference, chain, texts));
  }
  return found;
}

/** Divergence of `chain` from `reference` after the same rows, over the tokens of the answers. */
async function divergence(
  reference: StageChain,
  chain: StageChain,
  texts: Tokens[],
): Promise<Divergence> {
  let [kl, same, count] = [0, 0, 0];
  for (const { all, prompt } of texts) {
    const rows = rowsOf(all.slice(0, -1), 0);
    const want = Array.from({ length: all.length - prompt }, (_, i) => prompt - 1 + i);
    const p = (await reference.run(rows, want, 0)).logits;
    const q = (await chain.run(rows, want, 0)).logits;
    const vocab = p.length / want.length;
    for (let at = 0; at < p.length; at += vocab) {
      const [expected, found] = [p.subarray(at, at + vocab), q.subarray(at, at + vocab)];
      const [logP, logQ] = [logSum(expected), logSum(found)];
      expected.forEach((x, i) => kl += Math.exp(x - logP) * (x - logP - found[i] + logQ));
      if (best(expected) === best(found)) same++;
      count++;
    }
  }
  return { kl: kl / count, same: same / count };
}

function logSum(logits: Float32Array): number {
  const most = logits[best(logits)];
  return most + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - most), 0));
}

/**
 * Least milliseconds of each kind of frame, one list a variant, and the bytes of a layer. The
 * variants take turns, so that whatever else the machine does disturbs all of them.
 */
async function measureTimes(
  blobDir: string,
  quick: boolean,
): Promise<{ times: number[][]; bytes: number[] }> {
  await mkdir(blobDir);
  const geometry = { ...HALF_BILLION_GEOMETRY, layers: quick ? 4 : 24 };
  const { vocab } = geometry;
  const engines: StageEngine[] = [];
  const bytes: number[] = [];
  try {
    for (const { synthetic } of VARIANTS) {
      const manifest = await syntheticModel(geometry, blobDir, synthetic);
      bytes.push(manifest.layers[0].bytes);
      const range = { firstLayer: 0, lastLayer: geometry.layers - 1, blobDir };
      const graph = await buildStageGraph(manifest, range);
      const arenaBudgetBytes = 1 << 28;
      const engine = await loadEngine({ graph, geometry, threads: 1, arenaBudgetBytes });
      engines.push(engine);
      await engine.layout("bench", { capacity: PAST_ROWS + 64, keep: new Int32Array(0) });
      for (let base = 0; base < PAST_ROWS; base += 64) {
        await engine.run(chainFrame(base, 64, vocab, []));
      }
    }
    const least = engines.map(() => FRAMES.map(() => Infinity));
    for (const [n, [rows, times]] of FRAMES.entries()) {
      const want = rows > 8 ? [rows - 1] : Array.from({ length: rows }, (_, i) => i);
      for (let i = 0; i < (quick ? 3 : times); i++) {
        for (const [e, engine] of engines.entries()) {
          const start = performance.now();
          await engine.run(chainFrame(PAST_ROWS, rows, vocab, want));
          least[e][n] = Math.min(least[e][n], performance.now() - start);
        }
      }
    }
    return { times: least, bytes };
  } finally {
    for (const engine of engines) await engine.dispose();
  }
}
