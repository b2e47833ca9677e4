// deno-lint-ignore-file no-console
/**
 * Attacks ownership: `deno task check:ownership`.
 *
 * Seeded schedules of nodes over one registry, of which none may be wrong; ownership broken on
 * purpose, of which every variant must be noticed; and a small model of which every interleaving is
 * tried. Exit code 0: all as it must be; 1: something is not; 2: an option is wrong.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { ALL_RULES, type ModelRules, searchModel } from "./support/ownership/model.ts";
import { LARGE_CASES, QUICK_CASES } from "./support/ownership/model_cases.ts";
import { runWorlds } from "./support/ownership/run_worlds.ts";
import { BROKEN } from "./support/ownership/variants.ts";
import type { WorldReport } from "./support/ownership/world.ts";

const help = `Attack ownership: schedules, broken variants, and a model.

Usage: deno task check:ownership [options]

  --seeds N       schedules (default 10000)
  --from N        the first seed (default 1)
  --help          print this`;

function numberOf(text: string, option: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  console.error(`${option} must be a whole number from 1, not ${JSON.stringify(text)}`);
  Deno.exit(2);
}

const { values: args } = parseArgs({
  options: {
    seeds: { type: "string", default: "10000" },
    from: { type: "string", default: "1" },
    help: { type: "boolean", default: false },
  },
});
if (args.help) {
  console.log(help);
  Deno.exit(0);
}
const seeds = numberOf(args.seeds, "--seeds");
const from = numberOf(args.from, "--from");
let wrong = 0;

const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

function* range(first: number, count: number): Iterable<number> {
  for (let i = 0; i < count; i++) yield first + i;
}

async function schedules(): Promise<void> {
  const begun = performance.now();
  const sum = { steps: 0, answered: 0, handled: 0, owners: 0, lapses: 0 };
  let runs = 0;
  await runWorlds(range(from, seeds), (report: WorldReport) => {
    for (const field of Object.keys(sum) as (keyof typeof sum)[]) sum[field] += report[field];
    if (report.problems.length > 0) {
      wrong++;
      console.log(`seed ${report.seed}: ${report.problems.join("; ")}`);
    }
    if (++runs % 1000 === 0 && runs < seeds) console.error(`${runs} of ${seeds} schedules`);
  });
  console.log(
    `${runs} schedules (${seconds(begun)}): ${sum.steps} steps, ${sum.lapses} leases lapsed, ` +
      `${sum.owners} owners, ${sum.handled} messages handled, ${sum.answered} answers; ` +
      `${wrong} schedules were wrong`,
  );
}

async function variants(): Promise<void> {
  for (const { name, seed, shows, make } of BROKEN) {
    let problem = "nothing, though it must";
    await runWorlds([seed], ({ problems }) => {
      if (problems[0] && shows.test(problems.join("\n"))) problem = problems[0];
      else wrong++;
    }, make);
    console.log(`${name}: seed ${seed} shows ${problem}`);
  }
}

function model(): void {
  for (const size of LARGE_CASES) {
    const begun = performance.now();
    const { states, steps, wrong: found } = searchModel(size);
    if (found) {
      wrong++;
      console.log(`${found.what}: ${found.trace.join("; ")}`);
    }
    console.log(
      `model ${JSON.stringify(size)}: ${states} states, ${steps} steps, ` +
        `${found ? "one is wrong" : "none is wrong"} (${seconds(begun)})`,
    );
  }
  for (const rule of Object.keys(ALL_RULES) as (keyof ModelRules)[]) {
    const rules = { ...ALL_RULES, [rule]: false };
    const shown = QUICK_CASES.map((size) => searchModel(size, rules)).find((r) => r.wrong);
    if (!shown) wrong++;
    console.log(
      `model without ${rule}: ${shown?.wrong?.what ?? "nothing is wrong, though it must"}`,
    );
  }
}

await schedules();
await variants();
model();
Deno.exit(wrong > 0 ? 1 : 0);
