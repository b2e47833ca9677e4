// deno-lint-ignore-file no-console
/**
 * Measures how long a calibrated conversion takes: the first layers of a checkpoint with random
 * weights are converted, which says what all of them would take.
 *
 * @module
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { type Calibration, ModelStore, type Precision } from "../../../models/mod.ts";
import { calibrate } from "../../../runtime/quality/mod.ts";
import { type CheckpointShape, writeRandomCheckpoint } from "./random_checkpoint.ts";

/** Seconds on the clock, and those that all cores together computed. */
interface Took {
  clock: number;
  cores: number;
}

/** Adds what `work` takes to `took`. */
async function timed<Result>(took: Took, work: () => Promise<Result>): Promise<Result> {
  const [start, before] = [performance.now(), process.cpuUsage()];
  try {
    return await work();
  } finally {
    const { user, system } = process.cpuUsage(before);
    took.clock += (performance.now() - start) / 1000;
    took.cores += (user + system) / 1e6;
  }
}

/** Converts `layers` layers of the shape in `dir`, and prints what they took. */
export async function printCalibrated(
  dir: string,
  shape: CheckpointShape,
  { layers, precision }: { layers: number; precision: Precision },
): Promise<void> {
  const checkpoint = join(dir, "checkpoint");
  await writeRandomCheckpoint(checkpoint, { ...shape, layers });
  const store = await ModelStore.open(join(dir, "data"));
  const running: Took = { clock: 0, cores: 0 }, begun: Took = { clock: 0, cores: 0 };
  const whole: Took = { clock: 0, cores: 0 };
  await timed(whole, () =>
    store.add(checkpoint, {
      name: "calibrated",
      precision,
      calibrate: async (parts, options): Promise<Calibration> => {
        const calibration = await timed(begun, () => calibrate(parts, options));
        return {
          layer: (number, wanted) => timed(running, () => calibration.layer(number, wanted)),
          [Symbol.asyncDispose]: () => calibration[Symbol.asyncDispose](),
        };
      },
    }));
  await rm(checkpoint, { recursive: true });
  const print = (what: string, { clock, cores }: Took) =>
    console.log(`${what.padEnd(44)} ${clock.toFixed(1)} s, ${cores.toFixed(1)} core seconds`);
  const rest: Took = {
    clock: whole.clock - running.clock - begun.clock,
    cores: whole.cores - running.cores - begun.cores,
  };
  console.log(`\n${precision} calibrated, ${layers} of ${shape.layers} layers, random weights`);
  print("texts through the layers, in f32", running);
  print("rounding them, and the ends", rest);
  const all = (part: keyof Took) => shape.layers / layers * (running[part] + rest[part]);
  print(`so all ${shape.layers} layers take at most`, { clock: all("clock"), cores: all("cores") });
}
