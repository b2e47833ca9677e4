/**
 * Runs many seeds of the simulation of membership (`tests/membership_simulation_test.ts`), and prints
 * those that break a promise. Ends with 1 where one does.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { parseArgs } from "node:util";
import { checkMembership } from "../support/membership_schedule.ts";

/** Seeds between two lines about how far it is. */
const REPORT = 500;

const { values } = parseArgs({
  options: { seeds: { type: "string", default: "10000" }, from: { type: "string", default: "0" } },
});
const [seeds, from] = [Number(values.seeds), Number(values.from)];
let failed = 0, removals = 0;
for (let seed = from; seed < from + seeds; seed++) {
  // One in eight is a schedule of slowness alone, in which nobody may be removed.
  const faults = seed % 8 === 7 ? "slow" : "all";
  const checked = await checkMembership({ seed, faults });
  removals += checked.removals;
  for (const violation of checked.violations) console.log(`seed ${seed} (${faults}): ${violation}`);
  if (checked.violations.length > 0) failed++;
  const done = seed - from + 1;
  if (done % REPORT === 0 || done === seeds) {
    console.log(`${done} schedules, ${removals} nodes taken for dead, ${failed} schedules failed`);
  }
}
Deno.exit(failed > 0 ? 1 : 0);
