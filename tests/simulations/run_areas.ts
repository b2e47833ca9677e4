/**
 * Runs simulations over many seeds, and says what they showed.
 *
 * @module
 */
import {
  addCounts,
  findBreak,
  missingCounts,
  seedsFrom,
  type SimulationArea,
} from "./simulation_area.ts";

/** Seeds that run side by side: waiting until all promises are settled takes longer than most steps. */
const WIDTH = 12;

/** Options of {@linkcode runAreas}. */
export interface RunAreasOptions {
  areas: readonly SimulationArea[];
  /** Seeds in all, spread over the areas by their shares. */
  seeds: number;
  /** The first seed of each area. */
  from: number;
  /** Called with each line of the report. */
  say: (line: string) => void;
}

/** How many of `seeds` each area gets: at least one, and all of them together. */
export function sharesOf(areas: readonly SimulationArea[], seeds: number): number[] {
  const whole = areas.reduce((sum, { share }) => sum + share, 0);
  let [given, before] = [0, 0];
  return areas.map(({ share }) => {
    given += share;
    const until = Math.round(seeds * given / whole);
    const own = Math.max(1, until - before);
    before = until;
    return own;
  });
}

/** The command that runs one seed again. */
export const replayOf = ({ name }: SimulationArea, seed: number): string =>
  `deno task test:simulation --only ${name} --seed ${seed}`;

/** Runs one area over its seeds. Returns the number of things that are wrong. */
export async function runArea(
  area: SimulationArea,
  seeds: readonly number[],
  say: (line: string) => void,
): Promise<number> {
  const begun = performance.now();
  const sums: Record<string, number> = {};
  let [steps, wrong] = [0, 0];
  const rest = seeds[Symbol.iterator]();
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0; // many refusals are made, and nobody reads where
  await Promise.all(Array.from({ length: WIDTH }, async () => {
    for (const seed of { [Symbol.iterator]: () => rest }) {
      const report = await area.run(seed);
      steps += report.steps;
      addCounts(sums, report);
      if (report.violations.length === 0) continue;
      wrong++;
      say(`  seed ${seed}: ${report.violations.slice(0, 3).join("; ")}`);
      say(`    again: ${replayOf(area, seed)}`);
    }
  }));
  Error.stackTraceLimit = limit;
  // A seed alone is run to be looked at: it need not show everything.
  const missing = seeds.length > 5 ? missingCounts(area, sums, seeds.length) : [];
  for (const text of missing) say(`  ${text}`);
  const counts = Object.entries(sums).map(([name, n]) => `${n} ${name}`).join(", ");
  const s = ((performance.now() - begun) / 1000).toFixed(1);
  say(
    `${area.name.padEnd(12)}${`${seeds.length} seeds`.padStart(12)}${
      `${steps} steps`.padStart(16)
    }` +
      `${`${wrong} violations`.padStart(15)}${`${s} s`.padStart(10)}  ${counts}`,
  );
  return wrong + missing.length;
}

/** Runs the broken variants of an area. Returns the number of those that were not noticed. */
export async function runBroken(
  { name, broken }: SimulationArea,
  say: (line: string) => void,
): Promise<number> {
  let missed = 0;
  for (const variant of broken) {
    const found = await findBreak(variant);
    if (!found) missed++;
    say(
      `  ${found ? "caught" : "NOT CAUGHT"}: ${name}, ${variant.name}` +
        (found ? `: seed ${found.seed}: ${found.violation.split("\n")[0].slice(0, 120)}` : ""),
    );
  }
  return missed;
}

/** Runs all areas and their broken variants. Returns the number of things that are wrong. */
export async function runAreas({ areas, seeds, from, say }: RunAreasOptions): Promise<number> {
  let wrong = 0;
  const shares = sharesOf(areas, seeds);
  for (const [i, area] of areas.entries()) {
    wrong += await runArea(area, seedsFrom(from, shares[i]), say);
  }
  say("\nbroken on purpose, each of which must be noticed:");
  for (const area of areas) wrong += await runBroken(area, say);
  return wrong;
}
