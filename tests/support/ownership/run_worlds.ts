/**
 * Runs simulated worlds by their seeds.
 *
 * @module
 */
import { runSideBySide } from "./virtual_time.ts";
import { OwnershipWorld, type Variant, type WorldReport } from "./world.ts";

/** Worlds that run side by side; more would only take more memory. */
const WIDTH = 16;

/** Runs one world a seed. `told` hears of each at its end; true from it: begin no more. */
export async function runWorlds(
  seeds: Iterable<number>,
  told: (report: WorldReport) => unknown,
  make: () => Variant = () => ({}),
): Promise<void> {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0; // thousands of refusals are made, and nobody reads where
  let enough = false;
  try {
    const rest = seeds[Symbol.iterator]();
    await runSideBySide(() => {
      const { value: seed, done } = enough ? { value: 0, done: true } : rest.next();
      if (done) return undefined;
      const world = new OwnershipWorld(seed, make());
      return {
        step() {
          if (world.step()) return true;
          enough = told(world.report()) === true || enough;
          return false;
        },
      };
    }, WIDTH);
  } finally {
    Error.stackTraceLimit = limit;
  }
}
