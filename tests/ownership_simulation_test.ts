/**
 * Ownership under the simulator: seeded schedules of several nodes over one registry, ownership
 * that is broken on purpose, and a small model of which every interleaving is tried.
 * `deno task check:ownership` runs the same with 10,000 schedules and larger cases.
 */
import assert from "node:assert/strict";
import { hasCode, holdLease, MAX_CLOCK_DRIFT, type Registry } from "../actors/mod.ts";
import { OWNERSHIP } from "./simulations/ownership.ts";
import { assertCaught, assertSeeds, seedsFrom } from "./simulations/simulation_area.ts";
import { SimulatedRegistry, SimulatedServer } from "./support/simulated_registry.ts";
import { SimulatedProcess } from "./support/ownership/process.ts";
import { runSideBySide, VirtualTime } from "./support/ownership/virtual_time.ts";
import { ALL_RULES, type ModelRules, searchModel } from "./support/ownership/model.ts";
import { QUICK_CASES } from "./support/ownership/model_cases.ts";
import { type WorldReport } from "./support/ownership/world.ts";
import { runWorlds } from "./support/ownership/run_worlds.ts";

const run = async (seeds: number[]): Promise<WorldReport[]> => {
  const reports: WorldReport[] = [];
  await runWorlds(seeds, (report) => reports.push(report));
  return reports;
};

Deno.test("OwnershipWorld shows one owner at a time, and comes to rest, on every seed", async () => {
  await assertSeeds(OWNERSHIP, seedsFrom(1, 60));
});

Deno.test("OwnershipWorld does the same for the same seed, whatever runs beside it", async () => {
  const [alone] = await run([7]);
  const beside = (await run([5, 6, 7, 8])).find(({ seed }) => seed === 7);
  assert.deepEqual(beside, alone);
});

for (const broken of OWNERSHIP.broken) {
  Deno.test(`OWNERSHIP.run() notices ${broken.name}`, () => assertCaught(broken));
}

Deno.test("searchModel() finds no wrong state in any history of the small cases", () => {
  for (const size of QUICK_CASES) {
    const { states, wrong } = searchModel(size);
    assert.deepEqual(wrong, undefined);
    assert.ok(states > 5_000, `only ${states} states`);
  }
});

for (const rule of Object.keys(ALL_RULES) as (keyof ModelRules)[]) {
  Deno.test(`searchModel() finds a wrong state without the rule ${rule}`, () => {
    const rules = { ...ALL_RULES, [rule]: false };
    const found = QUICK_CASES.some((size) => searchModel(size, rules).wrong);
    assert.ok(found, "no case shows it");
  });
}

/** When a holder whose clock is slow gives its lease up, and a judge whose clock is fast ends it. */
async function slowHolder(change: (registry: Registry) => void): Promise<[number, number]> {
  const time = new VirtualTime();
  const clockAt = (rate: number) =>
    new SimulatedProcess(time, () => 0, { rate, offsetMs: 3_600_000 * rate }).clock;
  const server = new SimulatedServer(clockAt(1 + MAX_CLOCK_DRIFT));
  let cut = false;
  const arrive = (fn: () => void) => void (cut || time.after(0, fn));
  const clock = clockAt(1 - MAX_CLOCK_DRIFT);
  const registry = new SimulatedRegistry(server, { request: arrive, reply: arrive }, clock);
  change(registry);
  let lost = 0;
  let lapsed = 0;
  let name: string | undefined;
  void holdLease(registry, { ttlMs: 10_000, clock }).then(({ id, signal }) => {
    name = id;
    signal.addEventListener("abort", () => {
      assert.ok(hasCode(signal.reason, "lease_lost"));
      lost = time.now;
    });
    cut = true;
  });
  let begun = false;
  await runSideBySide(() => {
    if (begun) return undefined;
    begun = true;
    return {
      step() {
        const more = time.step(60_000);
        if (name && lapsed === 0 && !server.lives(name)) lapsed = time.now;
        return more && (lost === 0 || lapsed === 0);
      },
    };
  }, 1);
  return [lost, lapsed];
}

Deno.test("holdLease() ends before its judge, whatever the rates of their clocks", async () => {
  const [lost, lapsed] = await slowHolder(() => {});
  assert.ok(lost > 9_000 && lost < lapsed, `given up at ${lost} ms, lapsed at ${lapsed} ms`);
  // Trusted for its whole length, it outlives its lease.
  const [late, early] = await slowHolder((registry) => {
    const grant = registry.grant.bind(registry);
    registry.grant = async (asked, options) => {
      const { id, ttlMs } = await grant(asked, options);
      return { id, ttlMs: ttlMs / (1 - 2 * MAX_CLOCK_DRIFT) };
    };
  });
  assert.ok(late > early, `given up at ${late} ms, lapsed at ${early} ms`);
});
