/**
 * A seeded schedule of faults over a cluster, and what must hold while they happen and afterwards.
 *
 * @module
 */
import { MembershipWorld, type MembershipWorldOptions } from "./membership_world.ts";

/** Virtual milliseconds before the first fault, in which faults come, and to settle afterwards. */
const START_MS = 5_000;
const FAULTS_MS = 30_000;
const SETTLE_MS = 60_000;

/** Options of {@linkcode checkMembership}. */
export interface MembershipCheckOptions extends MembershipWorldOptions {
  /** Which faults happen: all, or only slow links and processes that stand still for a second. */
  faults?: "all" | "slow";
}

/** What one schedule showed. */
export interface MembershipCheck {
  /** What broke a promise; none is expected. */
  violations: string[];
  /** Nodes that were taken for dead. */
  removals: number;
  /** Turns and timers that ran. */
  steps: number;
}

/** Runs one schedule and checks it. Equal options give equal results. */
export async function checkMembership(
  { faults = "all", ...options }: MembershipCheckOptions,
): Promise<MembershipCheck> {
  const world = new MembershipWorld(options);
  const { sim, violations, network } = world;
  const machines = Array.from({ length: 2 + world.int(4) }, (_, i) => `n${i}`);
  for (const machine of machines) world.start(machine);
  await sim.run({ forMs: START_MS });
  await sim.until(faults === "all" ? anything(world, machines) : slowness(world, machines));
  network.mend();
  await sim.run({ forMs: SETTLE_MS });
  const status = await sim.until(world.status());
  const listed = (status?.members ?? []).map((m) => m.node).sort().join(" ");
  const running = [...world.lives.values()].filter(({ process }) => !process.dead);
  const ids = running.map(({ process }) => process.id).sort().join(" ");
  if (listed !== ids) violations.push(`in the end ${listed} are listed, and ${ids} run`);
  for (const { node, state } of status?.health ?? []) {
    if (state === "alive" || state === "back") continue;
    violations.push(`${node} is ${state} in the end`);
  }
  for (const { process, adopted, joined } of running) {
    const known = (adopted?.members ?? []).map((m) => m.node).sort().join(" ");
    if (!joined) violations.push(`${process.id} has not joined in the end`);
    if (known !== listed) violations.push(`${process.id} knows ${known}, listed are ${listed}`);
  }
  const removals = world.changes.filter(({ to }) => to === "dead").length;
  if (faults === "slow" && removals > 0) violations.push(`${removals} removed for slowness`);
  world.close();
  return { violations, removals, steps: sim.steps };
}

/** Two different machines. */
function two(world: MembershipWorld, machines: string[]): [string, string] {
  const a = world.int(machines.length);
  const b = (a + 1 + world.int(machines.length - 1)) % machines.length;
  return [machines[a], machines[b]];
}

/** Milliseconds in this range, most of them near the least. */
const some = (world: MembershipWorld, least: number, most: number) =>
  least + (most - least) * world.random() ** 2;

/** Crashes, machines switched off, freezes, cuts, partitions, slow and lossy links. */
async function anything(world: MembershipWorld, machines: string[]): Promise<void> {
  const { sim, network } = world;
  const ends: Promise<void>[] = [];
  const later = (most: number, end: () => void) =>
    void ends.push(world.sleep(some(world, 200, most)).then(end));
  const cut = (pairs: [string, string][]) => {
    for (const [from, to] of pairs) network.cut(from, to);
    later(20_000, () => {
      for (const [from, to] of pairs) network.heal(from, to);
    });
  };
  while (sim.clock.now() < START_MS + FAULTS_MS) {
    await world.sleep(some(world, 200, 6_000));
    await world.checkGhosts();
    const [machine, other] = two(world, machines);
    const { process } = world.lives.get(machine)!;
    switch (world.int(7)) {
      case 0:
      case 1:
        if (process.dead) break;
        if (world.int(3) > 0) network.crash(process.id);
        else network.switchOff(process.id);
        if (machine === "n0" || world.int(4) > 0) later(15_000, () => void world.start(machine));
        break;
      case 2:
        if (process.dead || process.frozen) break;
        process.freeze();
        later(20_000, () => process.thaw());
        break;
      case 3:
        cut(world.int(2) === 0 ? [[machine, other]] : [[machine, other], [other, machine]]);
        break;
      case 4:
        cut(
          machines.filter((m) => m !== machine)
            .flatMap((m): [string, string][] => [[machine, m], [m, machine]]),
        );
        break;
      case 5:
        slow(world, machine, other, 400);
        break;
      case 6:
        network.set(machine, other, { loss: 0.3 });
    }
  }
  await Promise.all(ends);
}

/** Links that are slow and uneven, and processes that stand still for up to 1.2 seconds. */
async function slowness(world: MembershipWorld, machines: string[]): Promise<void> {
  const { sim } = world;
  const ends: Promise<void>[] = [];
  while (sim.clock.now() < START_MS + FAULTS_MS) {
    await world.sleep(some(world, 100, 2_000));
    const [machine, other] = two(world, machines);
    if (world.int(2) === 0) slow(world, machine, other, 600);
    else {
      const { process } = world.lives.get(machine)!;
      process.freeze();
      ends.push(world.sleep(some(world, 50, 1_200)).then(() => process.thaw()));
    }
  }
  await Promise.all(ends);
}

/** Makes the ways between two machines slow, and uneven. */
function slow(world: MembershipWorld, a: string, b: string, mostMs: number): void {
  const min = some(world, 5, mostMs);
  const latencyMs = { min, max: min * (1 + 2 * world.random()) };
  world.network.set(a, b, { latencyMs });
  world.network.set(b, a, { latencyMs });
}
