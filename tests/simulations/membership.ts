/**
 * Membership while machines and links fail: nobody is suspected or taken for dead who could be
 * reached all the time, and when all is mended the members are exactly the nodes that run.
 *
 * @module
 */
import { checkMembership, type MembershipCheck } from "../support/membership_schedule.ts";
import { BROKEN_MEMBERSHIP, checkVariant } from "../support/membership_variants.ts";
import type { SeedReport, SimulationArea } from "./simulation_area.ts";

const reported = ({ violations, removals, steps }: MembershipCheck): SeedReport => ({
  violations,
  steps,
  counts: { removals },
});

/** See the module's text. One seed in eight is slowness alone, in which nobody may be removed. */
export const MEMBERSHIP: SimulationArea = {
  name: "membership",
  promise: "the members are the nodes that run, each once, and every member settles",
  share: 12,
  run: async (seed) =>
    reported(await checkMembership({ seed, faults: seed % 8 === 7 ? "slow" : "all" })),
  least: { removals: 0.8 },
  broken: BROKEN_MEMBERSHIP.map(({ name, seed, shows, ...variant }) => ({
    ...{ name, shows, seeds: [seed] },
    run: async (at) => reported(await checkVariant({ ...variant, seed: at })),
  })),
};
