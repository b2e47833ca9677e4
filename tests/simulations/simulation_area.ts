/**
 * What a deterministic simulation is to the gate and to `deno task test:simulation`: a function of a
 * seed, with variants that are broken on purpose.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Simulation } from "../../actors/mod.ts";

/** What the run of one seed has shown. */
export interface SeedReport {
  /** What broke a promise; empty: nothing. */
  violations: string[];
  /** Virtual steps: equal for equal seeds. */
  steps: number;
  /** How often something happened that the run is about: without it, it proves nothing. */
  counts: Record<string, number>;
}

/** The product with one part replaced, which the checks must notice. */
export interface BrokenSimulation {
  /** What is wrong with it. */
  name: string;
  /** What is seen of it. */
  shows: RegExp;
  /** Seeds that are tried, one after the other, until one shows it. */
  seeds: readonly number[];
  /** Runs a seed. Nothing else may run meanwhile: methods of the product's classes are replaced. */
  run(seed: number): Promise<SeedReport>;
}

/** The simulation of one part of the product. */
export interface SimulationArea {
  /** As `--only` takes it. */
  name: string;
  /** What must hold on every seed, as a sentence without a full stop. */
  promise: string;
  /** How many of the task's seeds it gets, beside the shares of the others. */
  share: number;
  /** Runs a seed. Runs of several seeds may be interleaved, and do not notice each other. */
  run(seed: number): Promise<SeedReport>;
  /** Counts that many seeds together must show at least, for each seed. */
  least: Record<string, number>;
  broken: readonly BrokenSimulation[];
}

/** Whole numbers from `first` on. */
export const seedsFrom = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => first + i);

/** A report of what `body` does: what it throws is a violation. */
export async function reportOf(
  sim: Simulation,
  body: () => Promise<Record<string, number>>,
): Promise<SeedReport> {
  try {
    const counts = await body();
    return { violations: [], steps: sim.steps, counts };
  } catch (error) {
    const { message } = error as Error;
    return { violations: [message], steps: sim.steps, counts: {} };
  }
}

/** Adds up what runs have counted. */
export function addCounts(sums: Record<string, number>, { counts }: SeedReport): void {
  for (const [name, n] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + n;
}

/** What `seeds` seeds should have shown and have not. */
export function missingCounts(
  { least }: SimulationArea,
  sums: Record<string, number>,
  seeds: number,
): string[] {
  return Object.entries(least).flatMap(([name, each]) => {
    const [have, want] = [sums[name] ?? 0, Math.floor(each * seeds)];
    return have >= want ? [] : [`${have} ${name}, and ${want} are expected of ${seeds} seeds`];
  });
}

/** Runs the seeds and throws for the first that breaks a promise, or when nothing was tried. */
export async function assertSeeds(area: SimulationArea, seeds: readonly number[]): Promise<void> {
  const sums: Record<string, number> = {};
  for (const seed of seeds) {
    const report = await area.run(seed);
    assert.deepEqual(
      report.violations,
      [],
      `deno task test:simulation --only ${area.name} --seed ${seed}`,
    );
    addCounts(sums, report);
  }
  assert.deepEqual(missingCounts(area, sums, seeds.length), []);
}

/** The first seed that shows a broken variant, and what it shows; undefined: none does. */
export async function findBreak(
  { seeds, shows, run }: BrokenSimulation,
): Promise<{ seed: number; violation: string } | undefined> {
  for (const seed of seeds) {
    const { violations } = await run(seed);
    const violation = violations.find((text) => shows.test(text));
    if (violation !== undefined) return { seed, violation };
  }
  return undefined;
}

/** Throws when no seed shows a broken variant. */
export async function assertCaught(broken: BrokenSimulation): Promise<void> {
  const { seeds, run } = broken;
  if (await findBreak(broken)) return;
  const { violations } = await run(seeds[0]);
  assert.fail(`no seed of ${seeds.join()} shows it; seed ${seeds[0]}: ${violations.join("; ")}`);
}
