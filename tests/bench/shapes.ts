// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * `deno task bench:shapes [--shape NAME]... [--nodes 1,2,4] [--tokens 48]`: memory and speed of models of
 * a real shape with random weights (q4), on nodes of this machine with a thread each that share the
 * layers evenly.
 *
 * The weights are written as the model store has them, so nothing is converted. They lie in a folder
 * that is deleted at the end.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { buildSplitStage, type Geometry, ModelStore } from "../../models/mod.ts";
import { freeBytes } from "../../models/store/disk.ts";
import { loadEngine } from "../../runtime/engine/mod.ts";
import { startCluster } from "../support/processes.ts";
import { ask, residentMemory } from "./models/asked.ts";
import { oneOf, orUsage } from "./edge/options.ts";
import { storeSynthetic } from "./engine/stored_synthetic.ts";
import { alignRows, describeMachine } from "./shared/figures.ts";
import { inTemporaryFolder } from "./shared/temporary_folder.ts";

const ROPE = { theta: 500_000, scaling: null };
const COMMON = { context: 4096, norm_eps: 1e-5, rope: ROPE, head_dim: 64, tied_embeddings: true };

/** Shapes by name. */
const SHAPES: Record<string, { text: string; geometry: Geometry }> = {
  "3b": {
    text: "Llama-3.2-3B's counts",
    geometry: {
      ...{ ...COMMON, architecture: "LlamaForCausalLM", head_dim: 128 },
      ...{ layers: 28, hidden: 3072, intermediate: 8192, heads: 24, kv_heads: 8, vocab: 128_256 },
    },
  },
  "moe-3b": {
    text: "Granite-3.1-3B-A800M's counts: 40 experts a layer, 8 for a row",
    geometry: {
      ...{ ...COMMON, architecture: "MixtralForCausalLM" },
      ...{ layers: 32, hidden: 1536, intermediate: 512, heads: 24, kv_heads: 8, vocab: 49_155 },
      experts: { count: 40, active: 8, normalised: true },
    },
  },
};

const { values: args } = parseArgs({
  options: {
    shape: { type: "string", multiple: true, default: [] },
    nodes: { type: "string", default: "1,2,4" },
    tokens: { type: "string", default: "48" },
  },
});
const MIB = 2 ** 20;
/** Bytes of the disk that a model takes at most. */
const DISK = 6 * 1024 * MIB;

const { shapes, nodes, tokens } = orUsage(() => {
  const known = Object.keys(SHAPES);
  const shapes = args.shape.length === 0
    ? known
    : args.shape.map((name) => oneOf("--shape", name, known));
  const nodes = args.nodes.split(",").map(Number);
  if (!nodes.every((n) => Number.isInteger(n) && n >= 1 && n <= 16)) {
    throw new Error(`--nodes takes numbers from 1 to 16 with commas, got "${args.nodes}"`);
  }
  const tokens = Number(args.tokens);
  if (!(Number.isInteger(tokens) && tokens >= 2 && tokens <= 1000)) {
    throw new Error(`--tokens takes 2 to 1000, got "${args.tokens}"`);
  }
  return { shapes, nodes, tokens };
});

const mib = (bytes: number) => (bytes / MIB).toFixed(0);

/** Sessions that share the layers of a stage, by turns. */
const CORES = Math.max(2, navigator.hardwareConcurrency);
const SESSIONS = [1, CORES, 1, CORES];

/** Prints how long half of a model's layers take to load, by the sessions that share them. */
async function printLoading(store: ModelStore, name: string): Promise<void> {
  const { manifest, blobsDir: blobDir } = await store.get(name);
  const { geometry } = manifest;
  const range = { firstLayer: 1, lastLayer: geometry.layers >> 1 };
  const times: string[] = [];
  for (const sessions of SESSIONS) {
    const graph = await buildSplitStage(manifest, { ...range, blobDir }, sessions);
    const [began, cpu] = [performance.now(), process.cpuUsage()];
    const engine = await loadEngine({ graph, geometry, threads: 1, arenaBudgetBytes: MIB });
    const { user, system } = process.cpuUsage(cpu);
    const ms = performance.now() - began;
    const cpuText = `${((user + system) / 1e6).toFixed(1)} s of processors`;
    times.push(`${sessions}: ${(ms / 1000).toFixed(1)} s (${cpuText})`);
    await engine.dispose();
  }
  const layers = range.lastLayer - range.firstLayer + 1;
  console.log(`  ${layers} layers load, by the number of sessions: ${times.join(", ")}`);
}

/** Measures a model on so many nodes: a row of the table. */
async function row(data: string, name: string, count: number): Promise<string[]> {
  const began = performance.now();
  await using cluster = await startCluster(count, data, ["--model", name, "--draft", "none"]);
  const readyMs = performance.now() - began;
  await ask(cluster.url, 4);
  const { first, rest } = await ask(cluster.url, tokens);
  const resident = await Promise.all(cluster.nodes.map(({ pid }) => residentMemory(pid)));
  return [
    name,
    String(count),
    `${(readyMs / 1000).toFixed(1)} s`,
    `${first.toFixed(0)} ms`,
    ((tokens - 1) / rest * 1000).toFixed(2),
    resident.map((used) => used ? mib(used.now) : "not told").join(", "),
  ];
}

console.log(describeMachine({ load: true }));
const rows = [["shape", "nodes", "ready after", "first token", "tokens/s", "resident, MiB a node"]];
for (const name of shapes) {
  await inTemporaryFolder(async (data) => {
    const { text, geometry } = SHAPES[name];
    const store = await ModelStore.open(data);
    const began = performance.now();
    const free = await freeBytes(data);
    if (free < DISK) throw new Error(`${data} has ${free} bytes free, this needs ${DISK}`);
    const { bytes, parameters } = await storeSynthetic(store, name, geometry);
    console.log(
      `${name} (${text}): ${(parameters / 1e9).toFixed(2)} G parameters, ${mib(bytes)} MiB, ` +
        `written in ${((performance.now() - began) / 1000).toFixed(1)} s`,
    );
    await printLoading(store, name);
    for (const count of nodes) {
      const failed = (error: Error) => [name, String(count), error.message.split("\n")[0]];
      rows.push(await row(data, name, count).catch(failed));
    }
  });
}
console.log(describeMachine({ load: true }));
const cells = rows.map((
  cells,
) => [...cells, ...Array<string>(rows[0].length - cells.length).fill("")]);
alignRows(cells, [0]).forEach((line) => console.log(line));
