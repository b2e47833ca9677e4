/**
 * The profiler: a machine measures how fast it runs a model, on the engine that will run it. It
 * times frames on these stages and takes differences:
 *
 *     plain    one layer in the middle of a model
 *     deep     the same with n more layers        layer = (deep - plain) / n
 *     first    embedding and one layer            embed = first - plain
 *     last     one layer, norm, LM head, sampler  head  = last - plain
 *
 * A frame of few rows takes as long as reading the weights, and the few layers of a small stage may
 * stay in the processor's cache where those of a real stage do not. So there are two deep stages:
 * one as large as a real stage, for frames of few rows, and one of few layers, for frames of many
 * rows, which would take too long on the large one.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { join } from "node:path";
import { buildStageGraph, type Manifest, type ModelStore } from "../../models/mod.ts";
import { arenaBytes, loadEngine } from "../engine/mod.ts";
import { measureCpuShare, thisMachine } from "./machine.ts";
import { Bench, compare, type MeasuringEffort, type Point } from "./measure.ts";
import { CpuPace } from "./cpu_pace.ts";
import { geometryHash, type Profile, PROFILE_VERSION, type ProfileKey } from "./profile.ts";
import { differenceTable, longerTable, median, type Paired, plainTable } from "./tables.ts";
import { type Specimen, specimenManifest, takeSpecimen } from "./weights.ts";

const log = getLogger(["orrery", "profile"]);

const MIB = 2 ** 20;
/** A stage with this many bytes of weights does not stay in a processor's cache. */
const UNCACHED_BYTES = 96 * MIB;
/** Layers that the deep stage for many rows has more than the plain one. */
const EXTRA_LAYERS = 1;
/** The same for a model of small layers: the time of a single one would be near the noise. */
const SMALL_EXTRA_LAYERS = 2;
/** A layer with fewer bytes of weights than this is small. */
const SMALL_LAYER_BYTES = 16 * MIB;
/** If the large deep stage has fewer bytes of weights than this, it serves for many rows too. */
const SMALL_STAGE_BYTES = 64 * MIB;
/** Frames of up to this many rows are measured on the stage as large as a real one. */
const FEW_ROWS = { quick: 4, full: 16 };
/** Most bytes of the logits of one frame. */
const LOGITS_BYTES = 64 * MIB;
/** Longest time of a whole measurement, milliseconds. */
const LIMIT_MS = 900_000;
/**
 * Resident bytes of an engine without its weights, once the process has loaded the library.
 * Measured with onnxruntime-node 1.30.
 */
const ENGINE_BYTES = 16 * MIB;

/** How far a measurement has come. */
export interface ProfileProgress {
  /** Part of the model that is measured now: "layer", "head" or "embedding". */
  what: string;
  /** Points measured so far. */
  done: number;
  /** Points to measure in all. */
  total: number;
}

/** Options of {@linkcode profileModel}. */
export interface ProfileOptions {
  /** Manifest of the model; its blobs need not be on this node. */
  manifest: Manifest;
  store: ModelStore;
  /** Path of the data folder; made-up weights are written there and removed in the end. */
  data: string;
  /** Threads of the engine. */
  threads: number;
  /** true: threads without work spin; false: they sleep. @default false */
  spinning?: boolean;
  /**
   * true: fewer points and shorter repeats, under 10 s for a model of half a billion parameters.
   * @default false
   */
  quick?: boolean;
  /**
   * true: quick, and so few points that they only tell whether another measurement was right.
   * @default false
   */
  short?: boolean;
  /** Called before each point is measured. */
  onProgress?: (progress: ProfileProgress) => void;
  /** Share of a core that this process gets, 0 to 1. @default it is measured */
  cpuShare?: number;
  /** Ends the measurement. */
  signal?: AbortSignal;
}

/** The key of this machine's profile of a model. */
export function profileKey(
  manifest: Manifest,
  { threads, spinning = false }: { threads: number; spinning?: boolean },
): ProfileKey {
  return {
    geometry: geometryHash(manifest),
    precision: manifest.precision,
    threads,
    spinning,
    machine: thisMachine(),
  };
}

/**
 * Measures a profile. Throws what loading an engine throws (group `engine`), what building a graph
 * throws (group `model`) and the signal's reason; after 15 minutes it gives up with a TimeoutError.
 */
export async function profileModel(options: ProfileOptions): Promise<Profile> {
  const { manifest, store, data, short = false, threads, spinning = false } = options;
  const quick = short || options.quick === true;
  const started = performance.now();
  const pace = new CpuPace(options.cpuShare ?? await measureCpuShare());
  const effort = short ? SHORT : effortOf(manifest, quick);
  const layerBytes = manifest.layers[0].bytes;
  const extra = layerBytes < SMALL_LAYER_BYTES ? SMALL_EXTRA_LAYERS : EXTRA_LAYERS;
  const uncached = Math.min(manifest.layers.length, Math.ceil(UNCACHED_BYTES / layerBytes)) - 1;
  const few = Math.max(extra, uncached);
  const depth = { few, many: few * layerBytes < SMALL_STAGE_BYTES ? few : extra };
  const past = effort.past.at(-1)!;
  const measured = specimenManifest(manifest, {
    layers: few + 3,
    context: past + effort.rows.at(-1)!,
  });
  await using specimen = await takeSpecimen(measured, { store, scratch: join(data, "profiles") });
  const limit = AbortSignal.timeout(LIMIT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
  const times = await measureStages(specimen, {
    ...options,
    quick,
    effort,
    depth,
    pace,
    signal,
    started,
  });
  const took = (performance.now() - started) / 1000;
  log.info("measured {model} in {took} s", { model: manifest.name, took: took.toFixed(1) });
  return {
    version: PROFILE_VERSION,
    key: profileKey(manifest, { threads, spinning }),
    cpu_share: pace.limited ? pace.share : 1,
    model: manifest.name,
    measured_at: new Date().toISOString(),
    quick,
    synthetic: specimen.synthetic,
    took_s: took,
    stale: null,
    ...times,
  };
}

/**
 * The points that tell whether another measurement was right. The first one of a stage may be slow:
 * it is not a point that is compared.
 */
const SHORT: MeasuringEffort = {
  rows: [1, 4, 64],
  past: [0],
  wanted: [1],
  repeats: 3,
  repeatMs: 12,
  patienceS: 2,
  budgetS: 4,
};

/** The points to measure and the time for them. */
function effortOf({ geometry }: Manifest, quick: boolean): MeasuringEffort {
  const rows = quick ? [1, 2, 4, 8, 16, 64, 256] : [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
  const wanted = (quick ? [1, 4, 16] : [1, 2, 4, 8, 16, 32, 64])
    .filter((n) => n === 1 || n * geometry.vocab * 4 <= LOGITS_BYTES);
  const room = (n: number, rest: number) => n + rest <= geometry.context;
  const fitting = rows.filter((n) => n === 1 || room(n, 0));
  const most = fitting.at(-1)!;
  // Two points far apart: noise then changes the slope between them least.
  const past = quick ? (room(most, 1024) ? [0, 1024] : [0, 512]) : [0, 256, 1024, 3072];
  return {
    rows: fitting,
    past: past.filter((n) => n === 0 || room(n, most)),
    wanted: wanted.filter((n) => n === 1 || room(n, 0)),
    repeats: quick ? 3 : 5,
    repeatMs: quick ? 12 : 30,
    patienceS: quick ? 3 : 120,
    budgetS: quick ? 8 : 240,
  };
}

type Times = Pick<
  Profile,
  "layer" | "embed" | "head" | "frame_s" | "overhead_bytes" | "layer_bytes"
>;

async function measureStages(
  { manifest, blobDir }: Specimen,
  options: ProfileOptions & {
    effort: MeasuringEffort;
    /** Layers that the deep stages for few and for many rows have more than the plain one. */
    depth: { few: number; many: number };
    pace: CpuPace;
    signal: AbortSignal;
    /** `performance.now()` when the measurement began. */
    started: number;
  },
): Promise<Times> {
  const { effort, depth, pace, signal, started, threads, spinning, onProgress = () => {} } =
    options;
  const { few, many } = splitRows(
    effort.rows,
    depth,
    options.quick ? FEW_ROWS.quick : FEW_ROWS.full,
  );
  const { rows, past, wanted, budgetS } = effort;
  const { layers } = manifest.geometry;
  const maxRows = rows.at(-1)!;
  const total = rows.length * past.length + wanted.length + Math.min(rows.length, 3);
  let done = 0;

  await using stack = new AsyncDisposableStack();
  /**
   * Loads a stage and opens an arena for each of `pasts`; tells the resident bytes that it took.
   */
  const load = async (firstLayer: number, lastLayer: number, pasts: number[], room: number) => {
    const before = Deno.memoryUsage().rss;
    const graph = await buildStageGraph(manifest, { firstLayer, lastLayer, blobDir });
    const arenas = pasts.reduce((sum, p) => sum + arenaBytes(graph.caches, p + room, graph), 0);
    const engine = await loadEngine({
      graph,
      geometry: manifest.geometry,
      threads,
      spinning,
      arenaBudgetBytes: arenas + MIB,
      signal,
    });
    const own = new AsyncDisposableStack();
    own.use({ [Symbol.asyncDispose]: () => engine.dispose() });
    stack.use(own);
    const bench = new Bench(engine, { maxRows: room, pace, signal });
    for (const p of pasts) await bench.open(p, room);
    await bench.repeat({ rows: 1, past: pasts[0], wanted: 1 }, 1);
    const bytes = Deno.memoryUsage().rss - before - arenas;
    return { bench, bytes, weightBytes: graph.weightBytes, dispose: () => own.disposeAsync() };
  };
  /**
   * Measures another stage against the plain one. Each group of points has frames of one size, the
   * groups that are needed most come first, and all but the `least` first ones are left out when
   * the budget of time does not allow them.
   */
  const against = async (
    more: Bench,
    what: string,
    points: Point[][],
    least: number,
  ): Promise<Paired[]> => {
    const pairs: Paired[] = [];
    /** Seconds that the last group took, per row of its frames. */
    let perRow = 0;
    for (const [i, group] of points.entries()) {
      const elapsed = (performance.now() - started) / 1000;
      const { rows } = group[0];
      if (i >= least && elapsed + perRow * rows > budgetS) {
        log.info("{what}: frames of {rows} rows are left out", { what, rows });
        continue;
      }
      const begun = performance.now();
      for (const point of group) {
        onProgress({ what, done: done++, total });
        pairs.push(await compare({ plain: plain.bench, more, point }, effort, started));
      }
      perRow = (performance.now() - begun) / 1000 / rows;
    }
    return pairs;
  };

  const plain = await load(1, 1, past, maxRows);
  const points = (rows: number[]) =>
    rows.map((n) => past.map((p): Point => ({ rows: n, past: p })));
  const deep = await load(1, 1 + depth.few, past, few.at(-1)!);
  const fewPairs = await against(deep.bench, "layer", points(needed(few)), 3);
  await deep.dispose();
  const last = await load(layers - 1, layers - 1, [0], wanted.at(-1)!);
  const head = await against(
    last.bench,
    "head",
    wanted.map((n) => [{ rows: n, past: 0, wanted: n }]),
    1,
  );
  await last.dispose();
  const some = rows.filter((n) => n === 1 || n === 16 || n === 64);
  const first = await load(0, 0, [0], some.at(-1)!);
  const embed = await against(first.bench, "embedding", some.map((n) => [{ rows: n, past: 0 }]), 1);
  await first.dispose();
  let table = differenceTable(fewPairs, depth.few);
  if (many.length > 0) {
    const shallow = await load(1, 1 + depth.many, past, maxRows);
    const pairs = await against(shallow.bench, "layer", points(needed(many)), 1);
    table = longerTable(table, differenceTable(pairs, depth.many));
  }
  onProgress({ what: "layer", done: total, total });

  // A frame takes time besides its layers: for the session's own work, and for the way to the
  // engine and back.
  const session = Math.max(0, plainTable(fewPairs).seconds[0][0] - table.seconds[0][0]);
  // CPU time includes the way to the engine and back already.
  const way = pace.limited ? 0 : Math.max(0, median(plain.bench.overheads));
  return {
    layer: pace.table(table),
    embed: pace.table(differenceTable(embed, 1)),
    head: pace.table(differenceTable(head, 1)),
    frame_s: pace.seconds(session) + way,
    overhead_bytes: Math.max(ENGINE_BYTES, plain.bytes - plain.weightBytes),
    layer_bytes: Math.max(0, (deep.bytes - ENGINE_BYTES) / (1 + depth.few)),
  };
}

/**
 * The row counts, those needed most first: one row is a step of decoding, 64 and 16 rows are pieces
 * of a prompt and drafts, the others refine the table. 4 rows come before all: the first point may
 * be slowed by what an engine does only once, and the one-row point is too important for that.
 */
function needed(rows: number[]): number[] {
  const first = [4, 1, 64, 16].filter((n) => rows.includes(n));
  return [...first, ...rows.filter((n) => !first.includes(n))];
}

/** The row counts for each of the two deep stages; if both are the same stage, it gets all. */
function splitRows(rows: number[], depth: { few: number; many: number }, most: number) {
  const bound = depth.few === depth.many ? Infinity : most;
  return { few: rows.filter((n) => n <= bound), many: rows.filter((n) => n > bound) };
}
