/**
 * Membership, broken on purpose: each variant puts something else in the place of one part of the
 * product. The checks of the simulated cluster must notice every one of them.
 *
 * @module
 */
import { memberActor, type MembersView, PhiDetector, type Reach } from "../../actors/mod.ts";
import { checkMembership, type MembershipCheck } from "./membership_schedule.ts";
import type { Broken } from "./membership_world.ts";
import { withMethods } from "./with_methods.ts";

/** A variant, and what shows that it is broken. */
export interface BrokenMembership {
  /** What is missing. */
  name: string;
  /** A seed that shows it. */
  seed: number;
  /** What is seen there. */
  shows: RegExp;
  /** What is put in place of the world's parts. */
  broken?: Broken;
  /** Methods of the detector that are replaced while the variant runs. */
  detector?: Partial<PhiDetector>;
}

/** Runs the schedule of a variant. */
export async function checkVariant(
  { seed, broken, detector = {} }: Omit<BrokenMembership, "name" | "shows">,
): Promise<MembershipCheck> {
  return await withMethods(PhiDetector, detector, () => checkMembership({ seed, broken }));
}

/** The member actor with another answer to `reach`. */
function answering(reach: (self: string) => Reach | undefined): typeof memberActor {
  return {
    ...memberActor,
    create(...given: Parameters<typeof memberActor.create>) {
      const behaviour = memberActor.create(...given);
      const answer = reach(given[0].self.split("/")[2]);
      return answer === undefined ? behaviour : { ...behaviour as object, reach: () => answer };
    },
  } as unknown as typeof memberActor;
}

/** A node's silence is taken from what its own clock said when it sent last. */
const comparing: Broken["view"] = (view, at, { network }): MembersView => ({
  ...view,
  silentMs: (node) => {
    const silent = view.silentMs(node);
    const clock = network.processes.get(node)?.clock;
    return silent === undefined || !clock ? silent : at.clock.now() - (clock.now() - silent);
  },
});

const { isQuiet } = PhiDetector.prototype;
/** By detector: the nodes that it has suspected once. */
const suspected = new WeakMap<PhiDetector, Set<string>>();

/** Every broken variant. */
export const BROKEN_MEMBERSHIP: BrokenMembership[] = [
  {
    name: "others are not asked",
    seed: 60,
    shows: /could reach it/,
    broken: { member: answering(() => "silent") },
  },
  {
    name: "one vote suffices: only one of the others is asked in earnest",
    seed: 570,
    shows: /is dead .* could reach it/,
    broken: { member: answering((self) => self.startsWith("n2:") ? undefined : "silent") },
  },
  {
    name: "a suspicion is never forgotten",
    seed: 16,
    shows: /is (suspect|bad_link) in the end/,
    detector: {
      isQuiet(this: PhiDetector, node, now) {
        const nodes = suspected.get(this) ?? new Set();
        suspected.set(this, nodes);
        if (isQuiet.call(this, node, now)) nodes.add(node);
        return nodes.has(node);
      },
    },
  },
  {
    name: "the row of a former life is not replaced",
    seed: 9,
    shows: /has joined since/,
    broken: { view: (view) => ({ ...view, identity: (node) => node }) },
  },
  {
    name: "a late join of a former life counts for the new one",
    seed: 9,
    shows: /has joined since/,
    broken: { view: (view) => ({ ...view, isFormer: () => false }) },
  },
  {
    name: "clocks of two machines are compared",
    seed: 0,
    shows: /are listed, and/,
    broken: { view: comparing },
  },
  {
    name: "the first node counts its own lateness as silence",
    seed: 1,
    shows: /is suspect .*though the first node could reach it/,
    detector: { tick: () => 0 },
  },
];
