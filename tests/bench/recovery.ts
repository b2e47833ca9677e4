// deno-lint-ignore-file no-console
/**
 * How long a request pauses when a stage is lost and replaced in place: `deno task bench:recovery`.
 *
 * All stages are in this process, with a model of the shape of Qwen2.5-0.5B and random weights. A
 * request has so many positions when a stage is lost; its backup has its layers in memory. The pause
 * is from the loss, without its detection, to the next token. Beside it stands what a request that
 * began anew on all stages would take to that token.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { samplingSchema } from "../../actors/mod.ts";
import { buildStageGraph } from "../../models/mod.ts";
import { evenSplit } from "../../planner/mod.ts";
import { loadEngine } from "../../runtime/engine/mod.ts";
import { RebuildWorld } from "../support/rebuild_world.ts";
import { HALF_BILLION_GEOMETRY, syntheticModel } from "./engine/synthetic.ts";
import { alignRows, describeMachine, medianOf } from "./shared/figures.ts";
import { inTemporaryFolder } from "./shared/temporary_folder.ts";

const help = `Measure how long a request pauses when a stage is lost and rebuilt in place.

Usage: deno task bench:recovery [options]

  --stages N      stages of the pipeline (default 4)
  --repeats N     losses of each case, of which the median counts (default 3)
  --quick         128 and 512 positions only
  --json          print figures as JSON
  --help          print this

On a busy machine only ratios within one run mean anything.`;

const { values: args } = parseArgs({
  options: {
    stages: { type: "string", default: "4" },
    repeats: { type: "string", default: "3" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const stages = Number(args.stages);
const repeats = Number(args.repeats);
const POSITIONS = args.quick ? [128, 512] : [128, 512, 2048];
/** Tokens before and after the loss. */
const BEFORE = 6;
const AFTER = 4;
const { layers, vocab } = HALF_BILLION_GEOMETRY;
const ARENA_BYTES = 512 * 2 ** 20;

/** Figures of one case, milliseconds. */
interface Pause {
  /** Positions whose KV was lost. */
  positions: number;
  /** Which stage, and what it was rebuilt from. */
  lost: string;
  pauseMs: number;
  /** The same, where the request begins anew on all stages. */
  replayMs: number;
  /** The usual time of a token. */
  tokenMs: number;
}

if (args.help) console.log(help);
else if (!(stages >= 2 && stages <= layers && repeats >= 1)) {
  console.error(`--stages takes 2 to ${layers}, --repeats at least 1`);
  Deno.exit(2);
} else await inTemporaryFolder(main);

async function main(dir: string): Promise<void> {
  const manifest = await syntheticModel(HALF_BILLION_GEOMETRY, dir);
  const ranges = evenSplit(layers, stages);
  const load = async (stage: number) => {
    const { first: firstLayer, last: lastLayer } = ranges[stage];
    const graph = await buildStageGraph(manifest, { firstLayer, lastLayer, blobDir: dir });
    const threads = navigator.hardwareConcurrency;
    return await loadEngine({
      graph,
      geometry: manifest.geometry,
      threads,
      arenaBudgetBytes: ARENA_BYTES,
    });
  };
  const found: Pause[] = [];
  const middle = stages >> 1;
  for (const positions of POSITIONS) {
    for (const stage of [middle, stages - 1, 0]) {
      const pauses: Omit<Pause, "positions" | "lost">[] = [];
      for (let i = 0; i < repeats; i++) pauses.push(await measure(positions, stage, load));
      const median = (of: (pause: typeof pauses[number]) => number) => medianOf(pauses.map(of));
      found.push({
        positions,
        lost: `${stage} of ${stages}, from ${stage === 0 ? "tokens" : "kept states"}`,
        pauseMs: median((p) => p.pauseMs),
        replayMs: median((p) => p.replayMs),
        tokenMs: median((p) => p.tokenMs),
      });
    }
  }
  if (args.json) return console.log(JSON.stringify(found, null, 2));
  console.log(
    `${describeMachine({ load: true })}; 0.5B shape, q4, ${stages} stages; milliseconds, medians ` +
      `of ${repeats}`,
  );
  const rows = found.map((p) => [
    String(p.positions),
    p.lost,
    p.pauseMs.toFixed(0),
    (300 + 0.9 * p.positions).toFixed(0),
    p.replayMs.toFixed(0),
    p.tokenMs.toFixed(1),
  ]);
  const head = ["positions", "lost stage", "pause", "aim", "full replay", "token"];
  for (const line of alignRows([head, ...rows], [1])) console.log(line);
}

async function measure(
  positions: number,
  stage: number,
  load: (stage: number) => ReturnType<typeof loadEngine>,
): Promise<Omit<Pause, "positions" | "lost">> {
  await using world = new RebuildWorld({
    stages,
    load,
    wire: "f16",
    capacityRows: positions + 256,
  });
  await world.warm();
  const backups = new Map([[stage, await world.backup(stage)]]);
  const prompt = Int32Array.from({ length: positions - BEFORE }, (_, i) => (i * 7919) % vocab);
  const times: number[] = [];
  let lostAt = 0;
  await world.answers([{ prompt, sampling: samplingSchema.parse({}) }], {
    count: BEFORE + AFTER,
    at: BEFORE,
    act: () => {
      lostAt = performance.now();
      return world.lose(backups);
    },
    each: () => void times.push(performance.now()),
  });
  if ((await world.stats()).rebuilds !== 1) throw new Error("the stage was not rebuilt once");
  const steps = times.slice(1, BEFORE).map((at, i) => at - times[i]);
  const began = performance.now();
  const again = prompt.toReversed(); // none of its rows are cached
  await world.answers([{ prompt: again, sampling: samplingSchema.parse({}) }], {
    count: 1,
    at: 1,
    act: () => {},
  });
  return {
    pauseMs: times[BEFORE] - lostAt,
    replayMs: performance.now() - began,
    tokenMs: medianOf(steps),
  };
}
