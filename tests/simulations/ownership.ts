/**
 * Ownership and election: one coordinator and one owner an epoch, whatever fails.
 *
 * @module
 */
import { runWorlds } from "../support/ownership/run_worlds.ts";
import { BROKEN } from "../support/ownership/variants.ts";
import type { Variant, WorldReport } from "../support/ownership/world.ts";
import type { SeedReport, SimulationArea } from "./simulation_area.ts";

/** Runs one world of owners. */
export async function runOwners(seed: number, make?: () => Variant): Promise<SeedReport> {
  const reports: WorldReport[] = [];
  await runWorlds([seed], (report) => reports.push(report), make);
  const [{ problems, steps, answered, owners, lapses }] = reports;
  return { violations: problems, steps, counts: { answers: answered, owners, lapses } };
}

/** See the module's text. */
export const OWNERSHIP: SimulationArea = {
  name: "ownership",
  promise: "one owner and one coordinator is obeyed an epoch, and all agree in the end",
  share: 20,
  run: (seed) => runOwners(seed),
  least: { answers: 30, owners: 4, lapses: 2 },
  broken: BROKEN.map(({ name, seed, shows, make }) => ({
    ...{ name, shows, seeds: [seed] },
    run: (at) => runOwners(at, make),
  })),
};
