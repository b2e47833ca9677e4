// deno-lint-ignore-file no-console
/**
 * Speed and memory of the engine: `deno task bench:engine [--quick] [--json] [--threads 1,2] [--repeats N] [--spinning]`.
 *
 * Every figure is a median of repeats and is taken from outside the worker, so the way there and back is in it. Each model
 * and thread count has a process of its own, or one would find the memory that another left.
 *
 * @module
 */
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { StageEngine } from "../../actors/engine.ts";
import { type Frame, samplingSchema } from "../../actors/frame.ts";
import { buildStageGraph } from "../../models/graph/mod.ts";
import { type Manifest, ModelStore } from "../../models/mod.ts";
import { loadEngine } from "./mod.ts";
import { HALF_BILLION, syntheticModel } from "./synthetic.ts";

const PROMPT_ROWS = 512;
const PIECES = [16, 32, 64, 128, 256, 512];
const PAST_ROWS = 256;
const FRAME_ROWS = [1, 2, 4, 8, 16];
const MIB = 1024 * 1024;
/** Once a figure has taken so long, two repeats are enough. Milliseconds. */
const PATIENCE_MS = 4_000;
/** Frames of one decode repeat. */
const DECODE_FRAMES = 16;

interface Figures {
  model: string;
  threads: number;
  /** Piece length -> prompt tokens a second. */
  prefill: Record<number, number>;
  /** Rows of a frame (a token wanted for each) -> its milliseconds. */
  frameMs: Record<number, number>;
  /** Resident memory in MiB that the process gained by loading, and by then running everything. */
  loadedMib: number;
  workingMib: number;
}

const { values: args } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    spinning: { type: "boolean", default: false },
    threads: { type: "string", default: "1,2" },
    repeats: { type: "string" },
    /** Written by the process that starts this one: what to measure. */
    measure: { type: "string" },
  },
});
const repeats = Number(args.repeats ?? (args.quick ? 3 : 5));
const threadCounts = args.threads.split(",").map(Number);
if (![repeats, ...threadCounts].every((n) => Number.isInteger(n) && n > 0)) {
  console.error(
    `--repeats and --threads take whole numbers above 0, got ${args.repeats} and ${args.threads}`,
  );
  Deno.exit(2);
}

/** One measurement. */
interface Assignment {
  name: string;
  manifest: Manifest;
  blobDir: string;
  threads: number;
}

if (args.measure === undefined) await main();
else console.log(JSON.stringify(await measure(JSON.parse(await readFile(args.measure, "utf8")))));

async function main(): Promise<void> {
  const machine = {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    load: loadavg()[0],
    spinning: args.spinning,
    repeats,
  };
  if (!args.json) {
    console.log(
      `${machine.cpu}, ${machine.cores} cores, load ${machine.load.toFixed(2)} before the start, ` +
        `spinning ${args.spinning ? "on" : "off"}, medians of ${repeats}`,
    );
  }
  const all: Figures[] = [];
  const dir = await mkdtemp(join(tmpdir(), "orrery-bench-"));
  try {
    for (const model of await models(dir)) {
      for (const threads of threadCounts) {
        const figures = await measureApart({ ...model, threads }, join(dir, "assignment.json"));
        all.push(figures);
        if (!args.json) print(figures);
      }
    }
  } finally {
    await rm(dir, { recursive: true });
  }
  if (args.json) console.log(JSON.stringify({ machine, figures: all }, null, 2));
}

async function models(dir: string): Promise<Omit<Assignment, "threads">[]> {
  const found: Omit<Assignment, "threads">[] = [];
  const target = fileURLToPath(new URL("../../models/embedded/target", import.meta.url));
  if (await stat(target).then(() => true, () => false)) {
    const { manifest, blobsDir } = await (await ModelStore.open(join(dir, "store"))).add(target);
    found.push({ name: "embedded, q4", manifest, blobDir: blobsDir });
  } else {
    console.error(`no embedded model at ${target}: left out`);
  }
  if (args.quick) return found;
  const blobDir = join(dir, "synthetic");
  await mkdir(blobDir);
  const manifest = await syntheticModel(HALF_BILLION, blobDir);
  return [...found, { name: "0.5B shape, random weights, q4", manifest, blobDir }];
}

async function measureApart(assignment: Assignment, file: string): Promise<Figures> {
  await writeFile(file, JSON.stringify(assignment));
  const options = [`--repeats=${repeats}`, `--measure=${file}`, ...(args.spinning ? ["--spinning"] : [])];
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", fileURLToPath(import.meta.url), ...options],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`the measurement of ${assignment.name} failed`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function measure({ name, manifest, blobDir, threads }: Assignment): Promise<Figures> {
  const { geometry } = manifest;
  const graph = await buildStageGraph(manifest, { firstLayer: 0, lastLayer: geometry.layers - 1, blobDir });
  const before = Deno.memoryUsage().rss;
  const engine = await loadEngine({
    graph,
    geometry,
    threads,
    spinning: args.spinning,
    arenaBudgetBytes: 1024 * MIB,
  });
  const loaded = Deno.memoryUsage().rss;
  try {
    const open = {
      capacity: PROMPT_ROWS + 64,
      prompt_rows: 0,
      reply_to: "",
      sampling: samplingSchema.parse({}),
    };
    await engine.open("bench", open);
    await engine.run(chain(0, 16, geometry.vocab, [15]));
    const prefill: Figures["prefill"] = {};
    for (const piece of PIECES) {
      const ms = await median(() => prompt(engine, piece, geometry.vocab));
      prefill[piece] = PROMPT_ROWS / ms * 1000;
    }
    const frameMs: Figures["frameMs"] = {};
    for (const rows of FRAME_ROWS) {
      // The same slots again and again: the past stays at PAST_ROWS.
      const frame = () => chain(PAST_ROWS, rows, geometry.vocab, Array.from({ length: rows }, (_, i) => i));
      frameMs[rows] = await median(async () => {
        const start = performance.now();
        for (let i = 0; i < DECODE_FRAMES; i++) await engine.run(frame());
        return (performance.now() - start) / DECODE_FRAMES;
      });
    }
    const working = Deno.memoryUsage().rss;
    return {
      model: name,
      threads,
      prefill,
      frameMs,
      loadedMib: (loaded - before) / MIB,
      workingMib: (working - before) / MIB,
    };
  } finally {
    await engine.dispose();
  }
}

/** Milliseconds of a prompt in pieces; only the last row's token is wanted. */
async function prompt(engine: StageEngine, piece: number, vocab: number): Promise<number> {
  const start = performance.now();
  for (let base = 0; base < PROMPT_ROWS; base += piece) {
    const last = base + piece >= PROMPT_ROWS;
    await engine.run(chain(base, piece, vocab, last ? [piece - 1] : []));
  }
  return performance.now() - start;
}

function chain(base: number, rows: number, vocab: number, want: number[]): Frame {
  const slots = Int32Array.from({ length: rows }, (_, i) => base + i);
  return {
    request: "bench",
    seq: 1,
    base,
    tokens: slots.map((slot) => (slot * 7919) % vocab),
    positions: slots,
    parents: slots.map((slot) => slot - 1),
    want: Int32Array.from(want),
  };
}

async function median(sample: () => Promise<number>): Promise<number> {
  const samples: number[] = [];
  const start = performance.now();
  while (samples.length < repeats && (samples.length < 2 || performance.now() - start < PATIENCE_MS)) {
    samples.push(await sample());
  }
  samples.sort((a, b) => a - b);
  const middle = samples.length >> 1;
  return samples.length % 2 ? samples[middle] : (samples[middle - 1] + samples[middle]) / 2;
}

function print({ model, threads, prefill, frameMs, loadedMib, workingMib }: Figures): void {
  const row = (label: string, cells: (string | number)[]) =>
    console.log(label.padEnd(34) + cells.map((cell) => String(cell).padStart(9)).join(""));
  console.log(`\n${model}, ${threads} thread${threads === 1 ? "" : "s"}`);
  row(`prefill of ${PROMPT_ROWS} rows in pieces of`, PIECES);
  row("  tokens/s", PIECES.map((piece) => prefill[piece].toFixed(0)));
  row(`decode after ${PAST_ROWS} rows, rows a frame`, FRAME_ROWS);
  row("  ms a frame", FRAME_ROWS.map((rows) => frameMs[rows].toFixed(2)));
  row("  rows/s", FRAME_ROWS.map((rows) => (rows / frameMs[rows] * 1000).toFixed(0)));
  row("  cost against one row", FRAME_ROWS.map((rows) => (frameMs[rows] / frameMs[1]).toFixed(2)));
  console.log(
    `resident memory: +${loadedMib.toFixed(0)} MiB loaded, +${workingMib.toFixed(0)} MiB after all of this`,
  );
}
