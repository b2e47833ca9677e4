// deno-lint-ignore-file no-console -- its line is its answer
/**
 * Measures what emulated devices compute when all of them compute at once, without a network
 * between them: no pipeline on this machine can gain more. Even where their quotas add up to less
 * than the machine has, they slow each other down through processor threads that share a core,
 * caches and memory.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildStageGraph } from "../../../models/graph/mod.ts";
import { ModelStore } from "../../../models/mod.ts";
import { loadEngine } from "../../../runtime/engine/mod.ts";
import { Bench } from "../../../runtime/profile/measure.ts";
import { CpuPace } from "../../../runtime/profile/cpu_pace.ts";
import type { Emulation } from "./emulation.ts";
import { HALF_BILLION } from "./models.ts";

/** Layers of the stage that each device computes. */
const LAYERS = 6;
/** Seconds from the start until every device must have loaded the stage. */
const LOAD_S = 12;
const MEASURE_S = 5;
/** Rows of the measured frames: as in a piece of a prompt, and as in decoding with a few lanes. */
const ROWS = [40, 2];
/** Rows in the arena before those of a frame. */
const PAST = 256;

/** Frames a second of each device, by the rows of a frame. */
export type Speeds = Map<number, number[]>;

/**
 * Measures the frames a second of devices that all compute at once, each for itself. `data` is the
 * store with the model of the 0.5B shape.
 */
export async function speedsTogether(
  emulation: Emulation,
  { cores, data }: { cores: number[]; data: string },
): Promise<Speeds> {
  const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  const from = Date.now() + LOAD_S * 1000;
  const outputs = await Promise.all(cores.map(async (share, i) => {
    const child = emulation.exec(i + 1, {
      cores: share,
      command: [
        ...[
          Deno.execPath(),
          "run",
          "-q",
          "-A",
          "--no-prompt",
          "--config",
          file("../../../deno.json"),
        ],
        ...[file("ceiling.ts"), "--data", data, "--from", String(from)],
      ],
    });
    const { success, stdout, stderr } = await child.output();
    const text = new TextDecoder();
    if (!success) throw new Error(`device ${i + 1} could not compute: ${text.decode(stderr)}`);
    return JSON.parse(text.decode(stdout)) as number[];
  }));
  return new Map(ROWS.map((rows, at) => [rows, outputs.map((speeds) => speeds[at])]));
}

/**
 * Measures the frames a second for each of {@linkcode ROWS}, {@linkcode MEASURE_S} seconds each,
 * from the time `from` (milliseconds since 1970) on.
 */
async function measure(data: string, from: number): Promise<number[]> {
  const store = await ModelStore.open(data);
  const model = (await store.list()).find((m) => m.manifest.name === HALF_BILLION);
  if (!model) throw new Error(`${data} holds no ${HALF_BILLION}`);
  const { geometry } = model.manifest;
  const graph = await buildStageGraph(model.manifest, {
    firstLayer: 0,
    lastLayer: LAYERS - 1,
    blobDir: model.blobsDir,
  });
  const engine = await loadEngine({ graph, geometry, threads: 1, arenaBudgetBytes: 2 ** 28 });
  try {
    const signal = AbortSignal.timeout(2 * (LOAD_S + ROWS.length * (MEASURE_S + 1)) * 1000);
    const bench = new Bench(engine, { maxRows: Math.max(...ROWS), pace: new CpuPace(1), signal });
    await bench.open(PAST, Math.max(...ROWS));
    const frame = (rows: number) => bench.repeat({ rows, past: PAST }, 1);
    for (const rows of ROWS) await frame(rows);
    if (Date.now() > from) throw new Error(`loading took ${(Date.now() - from) / 1000} s too long`);
    const speeds: number[] = [];
    for (const [i, rows] of ROWS.entries()) {
      const begin = from + i * (MEASURE_S + 1) * 1000;
      await new Promise((resolve) => setTimeout(resolve, begin - Date.now()));
      const started = performance.now();
      let frames = 0;
      let seconds = 0;
      do {
        await frame(rows);
        frames++;
        seconds = (performance.now() - started) / 1000;
      } while (seconds < MEASURE_S);
      speeds.push(frames / seconds);
    }
    return speeds;
  } finally {
    await engine.dispose();
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { data: { type: "string" }, from: { type: "string" } } });
  console.log(JSON.stringify(await measure(values.data!, Number(values.from))));
  Deno.exit(0);
}
