// deno-lint-ignore-file no-console
/**
 * What a frame costs at a stage besides computing: `deno task bench:frame`.
 *
 * Three processes on loopback hold one layer each of a model with made-up weights: the first, a
 * middle and the last stage. This process is the arbiter: it sends a frame, waits for its tokens,
 * and sends the next one. Each stage's process measures its processor time by thread and that in
 * ONNX Runtime, which is subtracted. A last pass records profiles, whose samples divide the
 * processor time among the parts of the way.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { ActorSystem, directoryOf, systemClock } from "../../actors/system/mod.ts";
import type { StageGraph } from "../../models/graph/mod.ts";
import type { Geometry } from "../../models/mod.ts";
import { createMailbox } from "../../runtime/mailbox/mod.ts";
import { HALF_BILLION_GEOMETRY } from "./engine/synthetic.ts";
import { type Part, PARTS, shares } from "./frame/attribution.ts";
import { Driver } from "./frame/driver.ts";
import { StageChild } from "./frame/stage_child.ts";
import { nodeOf, type StageFigures } from "./frame/stage_process.ts";
import { alignRows, describeMachine, medianOf } from "./shared/figures.ts";
import { say } from "./shared/progress.ts";
import { inTemporaryFolder } from "./shared/temporary_folder.ts";

const help = `Measure what a frame costs at a stage besides computing.

Usage: deno task bench:frame [options]

  --quick         fewer frames, and only the 0.5B shape
  --frames N      frames of each pass (default 300)
  --gap MS        pause between two frames (default 5)
  --base PATH     measure another checkout as well, side by side
  --json          print figures as JSON
  --help          print this

Needs Linux (/proc). On a busy machine only ratios within one run mean anything.`;

const { values: args } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
    frames: { type: "string" },
    gap: { type: "string", default: "5" },
    base: { type: "string" },
  },
});

const frames = Number(args.frames ?? (args.quick ? 100 : 300));
const gapMs = Number(args.gap);

/** The embedded model's target. */
const EMBEDDED_GEOMETRY: Geometry = {
  ...HALF_BILLION_GEOMETRY,
  hidden: 256,
  intermediate: 704,
  heads: 8,
  kv_heads: 2,
  head_dim: 32,
  vocab: 4096,
  context: 2048,
};
const SHAPES = { "0.5B": HALF_BILLION_GEOMETRY, embedded: EMBEDDED_GEOMETRY };
const LAYERS = 3;
const ROWS = [1, 8];
/** Passes whose processor time is measured, of which the median counts. */
const PASSES = 3;
/** Frames before anything is measured, in which V8 compiles. */
const WARM_FRAMES = 200;
const STAGES = ["first", "middle", "last"];

/** Figures of one stage, milliseconds a frame. */
interface StageRow {
  stage: string;
  /** Processor time besides computing: of all threads, of the node's thread, of all others. */
  overhead: number;
  node: number;
  others: number;
  /** Has the engine a worker, among whose parts the time of the other threads is divided? */
  worker: boolean;
  /** Time in ONNX Runtime. */
  compute: number;
  /** Processor time of each part. */
  parts: Record<Part, number>;
}

/** Figures of a case: a shape, so many rows a frame, one checkout. */
interface Case {
  code: string;
  shape: string;
  rows: number;
  /** From sending a frame to its tokens, without computing, a stage: milliseconds on the clock. */
  wall: number;
  stages: StageRow[];
}

if (args.help) console.log(help);
else if (![frames, gapMs].every((n) => Number.isFinite(n) && n >= 0) || frames < 1) {
  console.error(`--frames and --gap take numbers, got ${args.frames} and ${args.gap}`);
  Deno.exit(2);
} else await main();

async function main(): Promise<void> {
  const here = new URL("../../", import.meta.url).href;
  const codes = [
    ...(args.base ? [{ code: "base", root: pathToFileURL(`${resolve(args.base)}/`).href }] : []),
    { code: "here", root: here },
  ];
  if (!args.json) {
    console.log(
      `${describeMachine({ load: true })}; ms of processor time a frame and stage besides ` +
        `computing, medians of ${PASSES} passes of ${frames} frames, ${gapMs} ms apart`,
    );
  }
  const cases: Case[] = [];
  await inTemporaryFolder(async (dir) => {
    for (const [shape, geometry] of Object.entries(SHAPES).slice(0, args.quick ? 1 : 2)) {
      for (const { code, root } of codes) {
        say(`${shape} shape, code ${code}: weights are made up, and three processes load them`);
        for (
          const figures of await measure({ dir, root, geometry: { ...geometry, layers: LAYERS } })
        ) {
          const found = { code, shape, ...figures };
          cases.push(found);
          if (!args.json) print(found);
        }
      }
    }
  });
  if (args.json) console.log(JSON.stringify(cases, null, 2));
  else summarise(cases);
}

async function measure(
  { dir, root, geometry }: { dir: string; root: string; geometry: Geometry },
): Promise<Omit<Case, "code" | "shape">[]> {
  const stages = await stageGraphs(root, geometry, await Deno.makeTempDir({ dir }));
  const children: StageChild[] = [];
  const peers: { node: string; host: string; port: number }[] = [];
  const mailbox = await createMailbox({ node: "driver", accept: () => true });
  const system = new ActorSystem({
    transport: mailbox,
    directory: directoryOf(nodeOf),
    clock: systemClock,
    random: Math.random,
  });
  try {
    for (const [index, stage] of stages.entries()) {
      const { child, port } = await StageChild.start({ root, index, ...stage }, dir);
      children.push(child);
      peers.push({ node: `s${index}`, host: "127.0.0.1", port });
      mailbox.addPeer(`s${index}`, "127.0.0.1", port);
    }
    peers.push({ node: "driver", host: "127.0.0.1", port: mailbox.port });
    for (const child of children) await child.order({ do: "meet", peers });
    const driver = new Driver(system, { gapMs, mostRows: Math.max(...ROWS) });
    await driver.open();
    const found: Omit<Case, "code" | "shape">[] = [];
    for (const rows of ROWS) found.push(await measureRows(driver, children, rows));
    return found;
  } finally {
    for (const child of children) await child.stop();
    await system.close({ deadlineMs: 100 });
  }
}

/** A stage of one layer each of a made-up model, as the checkout at `root` makes it. */
async function stageGraphs(
  root: string,
  geometry: Geometry,
  blobDir: string,
): Promise<{ graph: StageGraph; geometry: Geometry }[]> {
  const { syntheticModel } = await import(
    new URL("tests/bench/engine/synthetic.ts", root).href
  ) as typeof import("./engine/synthetic.ts");
  const { buildStageGraph } = await import(
    new URL("models/graph/mod.ts", root).href
  ) as typeof import("../../models/graph/mod.ts");
  const manifest = await syntheticModel(geometry, blobDir);
  const stages: { graph: StageGraph; geometry: Geometry }[] = [];
  for (let layer = 0; layer < LAYERS; layer++) {
    const graph = await buildStageGraph(manifest, { firstLayer: layer, lastLayer: layer, blobDir });
    stages.push({ graph, geometry });
  }
  return stages;
}

async function measureRows(
  driver: Driver,
  children: StageChild[],
  rows: number,
): Promise<Omit<Case, "code" | "shape">> {
  const what = `${rows} row${rows > 1 ? "s" : ""} a frame`;
  say(`${what}: ${WARM_FRAMES} frames, in which V8 compiles`);
  await driver.run(rows, WARM_FRAMES);
  const passes: { wallMs: number; figures: StageFigures[] }[] = [];
  const pass = async (profile: boolean) => {
    for (const child of children) await child.order({ do: "begin", profile });
    const wallMs = await driver.run(rows, frames);
    const figures: StageFigures[] = [];
    for (const child of children) figures.push(await child.end());
    return { wallMs, figures };
  };
  for (let i = 0; i < PASSES; i++) {
    say(`${what}: pass ${i + 1} of ${PASSES}, ${frames} frames`);
    passes.push(await pass(false));
  }
  say(`${what}: ${frames} frames with a profile`);
  const profiled = await pass(true);
  const median = (of: (pass: { wallMs: number; figures: StageFigures[] }) => number) =>
    medianOf(passes.map(of)) / frames;
  const stages = STAGES.map((stage, i): StageRow => {
    const node = median(({ figures }) => figures[i].threads.node);
    const others = median(({ figures }) => figures[i].threads.others - figures[i].computeMs);
    const profiles = profiled.figures[i].profiles!;
    const ofNode = shares(profiles.node);
    const ofWorker = profiles.engine && shares(profiles.engine);
    const parts = Object.fromEntries(PARTS.map((part) => {
      // Of the worker's thread, computing has been subtracted already.
      const worker = ofWorker && part !== "computing"
        ? ofWorker[part] / (1 - ofWorker.computing) * others
        : 0;
      return [part, ofNode[part] * node + worker];
    })) as Record<Part, number>;
    return {
      stage,
      overhead: node + others,
      node,
      others,
      worker: profiles.engine !== undefined,
      compute: median(({ figures }) => figures[i].computeMs),
      parts,
    };
  });
  const computing = stages.reduce((sum, { compute }) => sum + compute, 0);
  return { rows, wall: (median(({ wallMs }) => wallMs) - computing) / LAYERS, stages };
}

function ms(value: number): string {
  return value.toFixed(3);
}

function print({ code, shape, rows, wall, stages }: Case): void {
  console.log(`\n${shape} shape, ${rows} row${rows > 1 ? "s" : ""} a frame, code ${code}`);
  const line = (
    what: string,
    of: (stage: StageRow) => number,
  ) => [what, ...stages.map((s) => ms(of(s)))];
  const table = alignRows([
    ["", ...stages.map(({ stage }) => stage)],
    ...PARTS.filter((part) => part !== "computing").map((part) => line(part, (s) => s.parts[part])),
    line("other threads", (s) => s.worker ? 0 : s.others),
    line("all", (s) => s.overhead),
    line("of it the node's thread", (s) => s.node),
    line("computing (not in all)", (s) => s.compute),
  ], [0]);
  console.log(table.map((l) => `  ${l}`).join("\n"));
  console.log(`  on the clock, a stage, without computing: ${ms(wall)}`);
}

function summarise(cases: Case[]): void {
  console.log("\nprocessor time a frame and stage besides computing; on the clock");
  const rows = cases.map(({ code, shape, rows, stages, wall }) => [
    shape,
    `${rows}`,
    code,
    ...stages.map(({ overhead }) => ms(overhead)),
    ms(stages.reduce((sum, { overhead }) => sum + overhead, 0) / stages.length),
    ms(wall),
  ]);
  const head = ["shape", "rows", "code", ...STAGES, "mean", "clock"];
  for (const row of alignRows([head, ...rows], [0])) console.log(row);
}
