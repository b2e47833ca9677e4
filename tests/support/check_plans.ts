/**
 * Compares plans with the independent arithmetic of plan_oracle.ts, which tries every placement.
 *
 * @module
 */
import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { type Plan, plan } from "../../planner/mod.ts";
import { type CheckedObjective, Oracle, oracleCase, placementIn } from "./plan_oracle.ts";

/** What was compared, and how the plans did. */
export interface PlanChecks {
  /** Plans; the other cases had no placement. */
  plans: number;
  /** Plans whose placement is proven, and was found to be the least. */
  proven: number;
  /** Plans with shares of the head. */
  shared: number;
  /** Reasons of idle devices whose figure was compared with the least with that device. */
  idle: number;
  /** Ratios of the plan's seconds as run to the least of all placements, ascending. */
  ratios: number[];
}

/** Plans are printed with six digits; texts with three. */
const DIGITS_6 = 2e-5, DIGITS_3 = 6e-3;

/**
 * Plans and checks the cases with these seeds. Throws an assertion error for a plan whose objective
 * is not that of its placement, whose bound or proof does not hold, or whose reason for an idle
 * device is not the least with that device. `uplinks`: the cases have some.
 */
export function checkPlans(
  objective: CheckedObjective,
  seeds: number[],
  options: { uplinks?: boolean } = {},
): PlanChecks {
  const checks: PlanChecks = { plans: 0, proven: 0, shared: 0, idle: 0, ratios: [] };
  for (const seed of seeds) {
    const made = oracleCase(seed, objective, options);
    const { input } = made;
    const oracle = new Oracle(made);
    const where = `${objective}, seed ${seed}`;
    let found: Plan;
    try {
      found = plan(input);
    } catch (error) {
      assert.ok(hasCode(error, "infeasible"), `${where}: ${error}`);
      assert.ok(oracle.placements().next().done, `${where}: a placement exists`);
      continue;
    }
    checks.plans++;
    const own = placementIn(found, input);
    const { reckoned } = found;
    const value = oracle.objective(own, reckoned);
    near(found.objective_s, value, DIGITS_6, `${where}: objective of the plan's stages`);
    const all = [...oracle.placements(own.head)];
    const values = all.map((placement) => oracle.objective(placement, reckoned));
    const least = Math.min(...values);
    assert.ok(
      found.lower_bound <= least * (1 + DIGITS_6),
      `${where}: bound ${found.lower_bound} above ${least}`,
    );
    if (found.gap === 0) {
      near(found.objective_s, least, DIGITS_6, `${where}: proven objective`);
      checks.proven++;
    }
    if (own.head) checks.shared++;
    const whole = own.head ? [...oracle.placements()] : all;
    const best = Math.min(...whole.map((placement) => oracle.run(placement)));
    checks.ratios.push(oracle.run(own) / best);
    for (const { host, why } of found.idle) {
      const told =
        /with it \((.*)\) .* takes? (?:for each token )?([\d.]+) (s|ms|µs) instead of [\d.]+ (s|ms|µs)$/
          .exec(why);
      if (!told) continue;
      const seconds = Number(told[2]) * { s: 1, ms: 1e-3, µs: 1e-6 }[told[3]]!;
      const device = input.devices.findIndex((d) => d.name === host);
      const using = Math.min(
        ...values.filter((_, i) => all[i].stages.some((s) => s.device === device)),
      );
      near(seconds, using, DIGITS_3, `${where}: ${host} ${why}`);
      checks.idle++;
    }
  }
  checks.ratios.sort((a, b) => a - b);
  return checks;
}

function near(actual: number, expected: number, part: number, what: string): void {
  assert.ok(
    Math.abs(actual - expected) <= part * Math.abs(expected),
    `${what}: ${actual}, expected ${expected}`,
  );
}
