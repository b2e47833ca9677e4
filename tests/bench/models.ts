// deno-lint-ignore-file no-console
/**
 * Measures what a model costs: `deno task bench:models [--quick] [--precision q4|q4m|q8|f16|f32]
 * [--blocks] [--families] [--experts] [--calibrated LAYERS]`.
 *
 * A checkpoint of TinyLlama-1.1B's shape with random weights is written, converted in a process of
 * its own, and generates on two nodes of this machine; `--quick` takes a smaller shape. Then the
 * embedded model's quality is measured at each precision, and every class of model is compared with
 * transformers. With `--families` only that is done; with `--blocks` only error and speed are
 * measured, beside each other, by the number of weights that share a scale. `--experts` takes the
 * shape of a mixture of experts. With `--calibrated 2`, only the time of a calibrated conversion is
 * measured, on so many of the shape's layers. All files lie in a folder that is deleted at the end.
 *
 * @module
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { groupsOf, ModelStore, type Precision, PRECISIONS } from "../../models/mod.ts";
import { freeBytes } from "../../models/store/disk.ts";
import { startCluster } from "../support/processes.ts";
import {
  checkpointBytes,
  type CheckpointShape,
  TINYLLAMA,
  writeRandomCheckpoint,
} from "./models/random_checkpoint.ts";
import { describeMachine } from "./shared/figures.ts";
import { inTemporaryFolder } from "./shared/temporary_folder.ts";
import { ask, residentMemory } from "./models/asked.ts";
import { printBlocks } from "./models/blocks.ts";
import { printCalibrated } from "./models/calibrated.ts";
import { printFamilies } from "./models/families.ts";
import { printQuality } from "./models/quality.ts";

const QUICK: CheckpointShape = {
  hidden: 512,
  layers: 6,
  heads: 8,
  kvHeads: 2,
  intermediate: 1408,
  vocab: 8192,
};
/** A mixture of experts: 1.1 G parameters, of which a token computes 0.3 G. */
const EXPERTS: CheckpointShape = {
  hidden: 1024,
  layers: 12,
  heads: 16,
  kvHeads: 4,
  intermediate: 512,
  vocab: 32000,
  experts: { count: 48, active: 8 },
};
const NAME = "random-weights";
const TOKENS = 48;
const MIB = 1024 * 1024;

const { values: args } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    blocks: { type: "boolean", default: false },
    families: { type: "boolean", default: false },
    experts: { type: "boolean", default: false },
    calibrated: { type: "string" },
    precision: { type: "string", default: "q4" },
    /** For the process that this command starts: the folder to convert, and the store. */
    convert: { type: "string", multiple: true },
  },
});
if (!PRECISIONS.includes(args.precision as Precision)) {
  console.error(`--precision takes ${PRECISIONS.join(", ")}, not ${args.precision}`);
  Deno.exit(2);
}
const precision = args.precision as Precision;
const calibratedLayers = Number(args.calibrated ?? 1);
if (!Number.isInteger(calibratedLayers) || calibratedLayers < 1) {
  console.error(`--calibrated takes a number of layers from 1 on, not ${args.calibrated}`);
  Deno.exit(2);
}

if (args.convert) await convert(args.convert[0], args.convert[1]);
else await main();

async function main(): Promise<void> {
  console.log(describeMachine({ load: true }));
  await inTemporaryFolder(async (dir) => {
    if (args.blocks) {
      await printBlocks(dir, args.quick);
      return;
    }
    if (args.calibrated !== undefined) {
      const shape = args.quick ? QUICK : TINYLLAMA;
      await printCalibrated(dir, shape, { layers: calibratedLayers, precision });
      return;
    }
    if (args.families) {
      await printFamilies();
      return;
    }
    await benchRandomModel(dir, args.experts ? EXPERTS : args.quick ? QUICK : TINYLLAMA);
    if (args.experts) return;
    await printQuality(join(dir, "quality"), args.quick);
    await printFamilies();
  });
}

async function benchRandomModel(dir: string, shape: CheckpointShape): Promise<void> {
  const bytes = checkpointBytes(shape);
  const needed = bytes * (precision === "f32" ? 3 : 2) + 512 * MIB;
  const free = await freeBytes(dir);
  if (free < needed) {
    console.error(`${dir} has ${free} bytes free, this needs ${needed}; set TMPDIR or use --quick`);
    Deno.exit(1);
  }
  const checkpoint = join(dir, "checkpoint"), data = join(dir, "data");
  const started = performance.now();
  await writeRandomCheckpoint(checkpoint, shape);
  const { hidden, layers, heads, kvHeads, intermediate, vocab } = shape;
  console.log(
    `\nrandom weights: hidden ${hidden}, ${layers} layers, ${heads} heads, ${kvHeads} KV heads, intermediate ` +
      `${intermediate}, vocabulary ${vocab}: ${(bytes / 2e6).toFixed(0)} million, ${
        mib(bytes)
      } of BF16, ` +
      `written in ${seconds(performance.now() - started)}`,
  );
  const { ms, peak } = await convertApart(checkpoint, data);
  await rm(checkpoint, { recursive: true });
  const { manifest } = await (await ModelStore.open(data)).get(NAME);
  const groups = groupsOf(manifest);
  const bound = 1.5 * 1024 * MIB + 2 * 4 * vocab * hidden;
  console.log(
    `converted to ${precision} in ${seconds(ms)}: ${
      mib(groups.reduce((sum, g) => sum + g.bytes, 0))
    }, ` +
      `peak memory ${mib(peak)} (aim: under ${mib(bound)})`,
  );
  await generate(data);
}

/**
 * Converts in a process of its own. Returns milliseconds, and the peak of that process's resident
 * memory in bytes.
 */
async function convertApart(
  checkpoint: string,
  store: string,
): Promise<{ ms: number; peak: number }> {
  const self = fileURLToPath(import.meta.url);
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-q",
      "-A",
      self,
      `--precision=${precision}`,
      `--convert=${checkpoint}`,
      `--convert=${store}`,
    ],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("the conversion failed");
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function convert(checkpoint: string, dir: string): Promise<void> {
  const started = performance.now();
  const store = await ModelStore.open(dir);
  let shown = 0;
  const onProgress = ({ done, total }: { done: number; total: number }) => {
    const tenth = Math.floor(10 * done / total);
    if (tenth > shown) {
      console.error(`  ${10 * (shown = tenth)}% after ${seconds(performance.now() - started)}`);
    }
  };
  await store.add(checkpoint, { name: NAME, precision, onProgress });
  const ms = performance.now() - started;
  console.log(
    JSON.stringify({
      ms,
      peak: (await residentMemory(Deno.pid))?.peak ?? process.resourceUsage().maxRSS * 1024,
    }),
  );
}

async function generate(data: string): Promise<void> {
  const started = performance.now();
  await using cluster = await startCluster(2, data, ["--model", NAME]);
  console.log(`two nodes ready after ${seconds(performance.now() - started)}`);
  await ask(cluster.url, 4);
  const { first, rest, tokens } = await ask(cluster.url, TOKENS);
  console.log(
    `${tokens} tokens: first after ${first.toFixed(0)} ms, then ${
      ((tokens - 1) / rest * 1000).toFixed(2)
    } tokens/s`,
  );
  for (const [n, node] of cluster.nodes.entries()) {
    const used = await residentMemory(node.pid);
    console.log(
      `  stage ${n} (process ${node.pid}): ` +
        (used
          ? `resident ${mib(used.now)}, peak ${mib(used.peak)}`
          : "memory is not told by this system"),
    );
  }
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
