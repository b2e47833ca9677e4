/**
 * Runs simulated worlds of journals by their seeds.
 *
 * @module
 */
import { runSideBySide } from "../ownership/virtual_time.ts";
import { type JournalReport, type JournalVariant, JournalWorld } from "./world.ts";

/** Worlds that run side by side. */
const WIDTH = 16;

/** Runs one world a seed. `told` hears of each at its end; true from it: begin no more. */
export async function runJournals(
  seeds: Iterable<number>,
  told: (report: JournalReport) => unknown,
  variant: JournalVariant = {},
): Promise<void> {
  let enough = false;
  const rest = seeds[Symbol.iterator]();
  await runSideBySide(() => {
    const { value: seed, done } = enough ? { value: 0, done: true } : rest.next();
    if (done) return undefined;
    const world = new JournalWorld(seed, variant);
    return {
      step() {
        if (world.step()) return true;
        enough = told(world.report()) === true || enough;
        return false;
      },
    };
  }, WIDTH);
}
