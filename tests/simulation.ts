/**
 * `deno task test:simulation [--seeds 10000] [--seed N] [--only NAME]`: the production's actors under
 * seeded schedules of crashes, freezes, cut links and lost replies, in virtual time. `--seeds` are
 * spread over all simulations; `--seed N` runs that seed alone. What is broken on purpose must be
 * noticed. Exit code 0: all as it must be; 1: something is not; 2: an option is wrong.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { parseArgs } from "node:util";
import { AREAS } from "./simulations/mod.ts";
import { runArea, runAreas } from "./simulations/run_areas.ts";

const help = `Run the production's actors under seeded schedules, in virtual time.

Usage: deno task test:simulation [options]

  --seeds N       seeds in all, spread over the simulations (default 10000)
  --from N        the first seed of each simulation (default 1)
  --seed N        run this seed alone, without the broken variants
  --only NAME     run this simulation alone
  --help          print this

Simulations:
${AREAS.map(({ name, promise }) => `  ${name.padEnd(14)}${promise}`).join("\n")}`;

function refuse(text: string): never {
  console.error(text);
  Deno.exit(2);
}

function numberOf(text: string, option: string): number {
  if (/^(0|[1-9][0-9]{0,8})$/.test(text)) return Number(text);
  return refuse(`--${option} must be a whole number from 0, not ${JSON.stringify(text)}`);
}

function readArgs() {
  try {
    return parseArgs({
      options: {
        seeds: { type: "string", default: "10000" },
        from: { type: "string", default: "1" },
        seed: { type: "string" },
        only: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    return refuse(`${(error as Error).message}; --help lists the options`);
  }
}

const args = readArgs();
if (args.help) {
  console.log(help);
  Deno.exit(0);
}
const areas = AREAS.filter(({ name }) => args.only === undefined || args.only === name);
if (areas.length === 0) {
  refuse(`--only must be one of ${AREAS.map(({ name }) => name).join(", ")}, not ${args.only}`);
}
let wrong = 0;
if (args.seed !== undefined) {
  const seed = numberOf(args.seed, "seed");
  for (const area of areas) wrong += await runArea(area, [seed], console.log);
} else {
  const [seeds, from] = [numberOf(args.seeds, "seeds"), numberOf(args.from, "from")];
  const begun = performance.now();
  wrong = await runAreas({ areas, seeds, from, say: console.log });
  const minutes = ((performance.now() - begun) / 60_000).toFixed(1);
  console.log(`\n${wrong} things are wrong; ${minutes} minutes`);
}
Deno.exit(wrong > 0 ? 1 : 0);
