// deno-lint-ignore-file no-console
/**
 * Measures speed and memory of the engine: `deno task bench:engine [--quick] [--json] [--threads
 * 1,2] [--repeats N] [--spinning]`; with `--peer`, beside llama.cpp instead (`engine/peer.ts`;
 * `--data DIR`, `--models half-billion,one-billion`).
 *
 * Every figure is a median of repeats, measured by the engine's caller, so it includes the way to
 * the thread that computes and back. Each model and thread count is measured in a process of its own; otherwise the
 * second one would reuse the memory of the first.
 *
 * @module
 */
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { StageEngine } from "../../actors/pipeline/engine.ts";
import { buildStageGraph } from "../../models/graph/mod.ts";
import { type Manifest, ModelStore, type StoredModel } from "../../models/mod.ts";
import { type ArenaFigures, FOREIGN, measureArena, measureMask } from "./engine/arena.ts";
import { comparePeer } from "./engine/peer.ts";
import { type Agreement, measureAgreement, measureCoding, WIRES } from "./engine/wire.ts";
import { RANDOM_MODELS } from "./edge/models.ts";
import { DEFAULT_DATA } from "./peers/llama_cpp_files.ts";
import { loadEngine } from "../../runtime/engine/mod.ts";
import { chainFrame } from "./shared/chain.ts";
import { describeMachine } from "./shared/figures.ts";
import { inTemporaryFolder } from "./shared/temporary_folder.ts";
import { HALF_BILLION_GEOMETRY, syntheticModel } from "./engine/synthetic.ts";

const PROMPT_ROWS = 512;
const PIECES = [16, 32, 64, 128, 256, 512];
const PAST_ROWS = 256;
const FRAME_ROWS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];
/** Lanes and rows of each lane, in frames whose mask hides much. */
const FORESTS = [[8, 250], [32, 125]];
/** Hidden states that are encoded and decoded: rows, columns. */
const CODED = [[1, 896], [64, 896]];
const MIB = 1024 * 1024;
/** Milliseconds after which two repeats of a figure are enough. */
const PATIENCE_MS = 4_000;
/** Frames in one repeat of decoding at one row a frame; fewer at more rows. */
const DECODE_FRAMES = 16;

interface Figures {
  model: string;
  threads: number;
  /** Prefill: rows of a piece -> prompt tokens a second. */
  prefill: Record<number, number>;
  /** Decode: rows of a frame (a token is wanted for each) -> milliseconds of the frame. */
  frameMs: Record<number, number>;
  /**
   * The same in CPU milliseconds of the process, which other work on the machine hardly changes.
   */
  frameCpuMs: Record<number, number>;
  /**
   * Figures of a shared arena; measured with one thread only, because they depend on memory, not on
   * arithmetic.
   */
  arena?: ArenaFigures;
  /**
   * Resident memory in MiB that the process gained by loading the model, and by running everything.
   */
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
    /** Compares with llama.cpp, whose folder is `data`. */
    peer: { type: "boolean", default: false },
    data: { type: "string", default: DEFAULT_DATA },
    models: { type: "string", default: Object.keys(RANDOM_MODELS).join(",") },
    /** For the process that this command starts: the file that says what to measure. */
    measure: { type: "string" },
  },
});
const repeats = Number(args.repeats ?? (args.peer ? 11 : args.quick ? 3 : 5));
const threadCounts = args.threads.split(",").map(Number);
if (![repeats, ...threadCounts].every((n) => Number.isInteger(n) && n > 0)) {
  console.error(
    `--repeats and --threads take whole numbers above 0, got ${args.repeats} and ${args.threads}`,
  );
  Deno.exit(2);
}
const peerModels = args.models.split(",");
const unknown = peerModels.filter((name) => !(name in RANDOM_MODELS));
if (unknown.length > 0) {
  console.error(`--models takes ${Object.keys(RANDOM_MODELS).join(" and ")}, got ${unknown}`);
  Deno.exit(2);
}

/** What a process measures. */
interface Assignment {
  name: string;
  manifest: Manifest;
  blobDir: string;
  threads: number;
}

if (args.peer) {
  console.log(`${describeMachine({ load: true })} before the start, medians of ${repeats} turns`);
  await comparePeer({ data: args.data, threads: threadCounts, repeats, models: peerModels });
} else if (args.measure === undefined) await main();
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
      `${describeMachine({ load: true })} before the start, ` +
        `spinning ${args.spinning ? "on" : "off"}, medians of ${repeats}`,
    );
  }
  const all: Figures[] = [];
  let wire: Agreement[] = [];
  await inTemporaryFolder(async (dir) => {
    for (const model of await models(dir)) {
      for (const threads of threadCounts) {
        const figures = await measureApart({ ...model, threads }, join(dir, "assignment.json"));
        all.push(figures);
        if (!args.json) print(figures);
      }
    }
    const model = await embedded(dir, "f32");
    if (model) wire = await measureAgreement(model);
    if (!args.json) printShared(wire);
  });
  if (args.json) console.log(JSON.stringify({ machine, figures: all, wire }, null, 2));
}

/** The embedded model in a store under `dir`, or undefined if the repository has none. */
async function embedded(dir: string, precision: "f32" | "q4"): Promise<StoredModel | undefined> {
  const target = fileURLToPath(new URL("../../models/embedded/target", import.meta.url));
  if (!await stat(target).then(() => true, () => false)) return undefined;
  return await (await ModelStore.open(join(dir, "store"))).add(target, {
    name: precision,
    precision,
  });
}

async function models(dir: string): Promise<Omit<Assignment, "threads">[]> {
  const found: Omit<Assignment, "threads">[] = [];
  const model = await embedded(dir, "q4");
  if (model) {
    const { manifest, blobsDir } = model;
    found.push({ name: "embedded, q4", manifest, blobDir: blobsDir });
  } else {
    console.error("no embedded model: left out");
  }
  if (args.quick) return found;
  const blobDir = join(dir, "synthetic");
  await mkdir(blobDir);
  const manifest = await syntheticModel(HALF_BILLION_GEOMETRY, blobDir);
  return [...found, { name: "0.5B shape, random weights, q4", manifest, blobDir }];
}

async function measureApart(assignment: Assignment, file: string): Promise<Figures> {
  await writeFile(file, JSON.stringify(assignment));
  const options = [
    `--repeats=${repeats}`,
    `--measure=${file}`,
    ...(args.spinning ? ["--spinning"] : []),
  ];
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", fileURLToPath(import.meta.url), ...options],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`the measurement of ${assignment.name} failed`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function measure({ name, manifest, blobDir, threads }: Assignment): Promise<Figures> {
  const { geometry } = manifest;
  const graph = await buildStageGraph(manifest, {
    firstLayer: 0,
    lastLayer: geometry.layers - 1,
    blobDir,
  });
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
    await engine.layout("bench", { capacity: PROMPT_ROWS + 64, keep: new Int32Array(0) });
    await engine.run(chainFrame(0, 16, geometry.vocab, [15]));
    const prefill: Figures["prefill"] = {};
    for (const piece of PIECES) {
      const ms = await median(() => prompt(engine, piece, geometry.vocab));
      prefill[piece] = PROMPT_ROWS / ms * 1000;
    }
    const frameMs: Figures["frameMs"] = {};
    const frameCpuMs: Figures["frameCpuMs"] = {};
    for (const rows of FRAME_ROWS) {
      // Every frame writes the same slots, so PAST_ROWS rows always stand before it.
      const frame = () =>
        chainFrame(PAST_ROWS, rows, geometry.vocab, Array.from({ length: rows }, (_, i) => i));
      const frames = Math.max(2, Math.ceil(DECODE_FRAMES / rows));
      const cpu: number[] = [];
      frameMs[rows] = await median(async () => {
        const start = performance.now();
        const startCpu = cpuMs();
        for (let i = 0; i < frames; i++) await engine.run(frame());
        cpu.push((cpuMs() - startCpu) / frames);
        return (performance.now() - start) / frames;
      });
      frameCpuMs[rows] = Math.min(...cpu);
    }
    const working = Deno.memoryUsage().rss;
    await engine.close("bench");
    const arena = threads === 1 && geometry.layers > 1
      ? await measureArena(engine, cpuMs)
      : undefined;
    return {
      model: name,
      threads,
      prefill,
      frameMs,
      frameCpuMs,
      arena,
      loadedMib: (loaded - before) / MIB,
      workingMib: (working - before) / MIB,
    };
  } finally {
    await engine.dispose();
  }
}

/** Measures the milliseconds of a prompt in pieces; only the token after the last row is wanted. */
async function prompt(engine: StageEngine, piece: number, vocab: number): Promise<number> {
  const start = performance.now();
  for (let base = 0; base < PROMPT_ROWS; base += piece) {
    const last = base + piece >= PROMPT_ROWS;
    await engine.run(chainFrame(base, piece, vocab, last ? [piece - 1] : []));
  }
  return performance.now() - start;
}

/** CPU milliseconds of this process so far, all threads together. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function median(sample: () => Promise<number>): Promise<number> {
  const samples: number[] = [];
  const start = performance.now();
  while (
    samples.length < repeats && (samples.length < 2 || performance.now() - start < PATIENCE_MS)
  ) {
    samples.push(await sample());
  }
  samples.sort((a, b) => a - b);
  const middle = samples.length >> 1;
  return samples.length % 2 ? samples[middle] : (samples[middle - 1] + samples[middle]) / 2;
}

function row(label: string, cells: (string | number)[]): void {
  console.log(label.padEnd(34) + cells.map((cell) => String(cell).padStart(8)).join(""));
}

function printShared(agreements: Agreement[]): void {
  console.log("\nmask of a frame with a row of each lane, microseconds");
  for (const [lanes, steps] of FORESTS) {
    const [turns, runs] = [true, false].map((t) => measureMask(lanes, steps, t).toFixed(1));
    console.log(
      `  ${lanes} lanes of ${steps} rows: ${turns} where they took turns, ${runs} where each is one run`,
    );
  }
  console.log("wire: encode / decode, microseconds");
  for (const [rows, hidden] of CODED) {
    const cost = measureCoding(rows, hidden);
    const cells = WIRES.map((w) =>
      `${w} ${cost[w].encode.toFixed(1)} / ${cost[w].decode.toFixed(1)}`
    );
    console.log(`  ${rows} rows of ${hidden}: ${cells.join(", ")}`);
  }
  for (const a of agreements) {
    console.log(
      `wire ${a.wire}: ${
        a.bytesPerRow.toFixed(0)
      } bytes a row; after the same text ${a.equal} of ${a.tokens} greedy tokens ` +
        `equal (${(100 * a.equal / a.tokens).toFixed(2)} %), log-probability off by up to ${
          a.logprob.toExponential(1)
        }; ` +
        `${a.equalTexts} of ${a.texts} texts equal`,
    );
  }
}

function print(
  { model, threads, prefill, frameMs, frameCpuMs, arena, loadedMib, workingMib }: Figures,
): void {
  console.log(`\n${model}, ${threads} thread${threads === 1 ? "" : "s"}`);
  row(`prefill of ${PROMPT_ROWS} rows in pieces of`, PIECES);
  row("  tokens/s", PIECES.map((piece) => prefill[piece].toFixed(0)));
  row(`decode after ${PAST_ROWS} rows, rows a frame`, FRAME_ROWS);
  row("  ms a frame", FRAME_ROWS.map((rows) => frameMs[rows].toFixed(2)));
  row("  rows/s", FRAME_ROWS.map((rows) => (rows / frameMs[rows] * 1000).toFixed(0)));
  row("  cost against one row", FRAME_ROWS.map((rows) => (frameMs[rows] / frameMs[1]).toFixed(2)));
  row("  CPU ms a frame, least", FRAME_ROWS.map((rows) => frameCpuMs[rows].toFixed(2)));
  row(
    "  cost against one row in CPU",
    FRAME_ROWS.map((rows) => (frameCpuMs[rows] / frameCpuMs[1]).toFixed(2)),
  );
  if (arena) {
    const foreign = Object.keys(arena.foreignCpuMs).map(Number);
    row("one row after slots of others", foreign);
    row("  CPU ms a frame, least", foreign.map((slots) => arena.foreignCpuMs[slots].toFixed(2)));
    console.log(
      `after ${FOREIGN} slots that it sees: ${
        arena.ownCpuMs.toFixed(2)
      } ms; layout of ${FOREIGN} rows to an arena of ` +
        `another size: ${arena.growMs.toFixed(1)} ms; in place, half of them kept: ${
          arena.compactMs.toFixed(1)
        } ms`,
    );
  }
  console.log(
    `resident memory: +${loadedMib.toFixed(0)} MiB loaded, +${
      workingMib.toFixed(0)
    } MiB after all of this`,
  );
}
