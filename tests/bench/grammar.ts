// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * `deno task bench:grammar [--tokenizer FOLDER]... [--every N] [--overhead [--half]]`: what answers can
 * be held to, and what it costs.
 *
 * - Coverage: schemas of the tests and, where the collection is there, of other projects: how many
 *   compile, which keywords are refused, how many valid instances pass and invalid ones are stopped.
 * - Cost, with the embedded tokenizer, those of other models where they are there, and each that is
 *   named: milliseconds to compile and for a mask, bytes of a packed mask, bytes of the engine.
 * - `--overhead`: milliseconds a token of the embedded model's answers with and without a schema.
 *
 * @module
 */
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { hasCode } from "../../actors/mod.ts";
import { packMask } from "../../actors/pipeline/mod.ts";
import { Tokenizer } from "../../models/mod.ts";
import { collected } from "../support/collected_schemas.ts";
import { judgeOf } from "../support/json_oracle.ts";
import { MaskJudge } from "../support/mask_judge.ts";
import { SCHEMA_CASES } from "../support/schema_cases.ts";
import { loadIfThere, SHARED_DATA } from "../support/tokenizers.ts";
import { measureOverhead } from "./grammar/overhead.ts";
import { describeMachine } from "./shared/figures.ts";

const { values: args } = parseArgs({
  options: {
    tokenizer: { type: "string", multiple: true, default: [] },
    /** Measure each n-th schema only. */
    every: { type: "string", default: "1" },
    overhead: { type: "boolean", default: false },
    /** With `--overhead`: the 0.5B shape too, which takes minutes and 3.3 GB of disk space. */
    half: { type: "boolean", default: false },
  },
});

const EMBEDDED = join(import.meta.dirname!, "../../models/embedded/target");
const MIB = 2 ** 20;

/** A schema and its instances. */
interface Measured {
  id: string;
  schema: unknown;
  tests: { valid: boolean; data: unknown }[];
}

/** The share of `values` below which `q` of them lie. */
const quantile = (values: number[], q: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))] ??
    0;

const row = (values: number[], digits: number): string =>
  ["p50", "p90", "p99", "max"].map((name, i) =>
    `${name} ${quantile(values, [0.5, 0.9, 0.99, 1][i]).toFixed(digits)}`
  ).join("  ");

async function measure(folder: string, schemas: readonly Measured[]): Promise<void> {
  const judge = await MaskJudge.open(await Tokenizer.load(folder));
  const { engine } = judge;
  const refused = new Map<string, number>();
  const [compiling, masks, packed]: number[][] = [[], [], []];
  const counts = { passed: 0, refusedValid: 0, stopped: 0, passedInvalid: 0 };
  const odd: string[] = [];
  const before = engine.bytes;
  let walk = 1_000_000;
  for (const { id, schema, tests } of schemas) {
    const begin = performance.now();
    try {
      await engine.compile(id, { kind: "json_schema", schema });
    } catch (error) {
      if (!hasCode(error, "schema_unsupported") && !hasCode(error, "grammar_too_large")) {
        throw error;
      }
      const why = String(error.metadata.keyword ?? error.metadata.what);
      refused.set(why, (refused.get(why) ?? 0) + 1);
      continue;
    }
    compiling.push(performance.now() - begin);
    for (const { valid, data } of tests) {
      const { passed, taken } = await judge.allows(id, data, schema);
      if (valid) counts[passed ? "passed" : "refusedValid"]++;
      else counts[passed ? "passedInvalid" : "stopped"]++;
      if (passed !== valid) {
        odd.push(`${id}: ${valid ? `valid, taken up to ${taken.slice(-60)}` : "invalid"}`);
      }
      if (!passed) continue;
      // The same walk again, a mask at a time.
      walk++;
      const path = judge.tokensOf(JSON.stringify(data)).slice(0, 200);
      for (let keep = 0; keep < path.length; keep++) {
        const tail = keep === 0 ? [] : path.slice(keep - 1, keep);
        const start = performance.now();
        const { steps: [step] } = await engine.steps(walk, {
          key: id,
          keep: Math.max(0, keep - 1),
          tail,
          count: 1,
        });
        if (!step?.mask) break; // properties in another order than the schema's
        masks.push(performance.now() - start);
        packed.push(packMask(step.mask, step.mask.length * 32).length);
      }
      engine.close(walk);
    }
    engine.forget(id);
  }
  console.log(`\n${basename(folder) === "target" ? "embedded" : basename(folder)}`);
  console.log(`  compiled            ${compiling.length} of ${schemas.length} schemas`);
  console.log(
    `  refused             ${[...refused].map(([why, n]) => `${why} ${n}`).join(", ") || "none"}`,
  );
  console.log(`  valid instances     ${counts.passed} pass, ${counts.refusedValid} do not`);
  console.log(`  invalid instances   ${counts.stopped} are stopped, ${counts.passedInvalid} pass`);
  for (const line of odd.slice(0, 10)) console.log(`    ${line}`);
  console.log(`  compile, ms         ${row(compiling, 0)}`);
  console.log(`  mask, ms            ${row(masks, 2)}`);
  console.log(`  packed mask, bytes  ${row(packed, 0)}`);
  console.log(
    `  engine, MiB         ${(before / MIB).toFixed(0)} with the vocabulary, ${
      (engine.bytes / MIB).toFixed(0)
    } at the end; the process ${(Deno.memoryUsage().rss / MIB).toFixed(0)}`,
  );
}

const ours = SCHEMA_CASES.map(({ name, schema, values }): Measured => {
  const valid = judgeOf(schema);
  return { id: name, schema, tests: values.map((data) => ({ valid: valid(data), data })) };
});
const others = await collected();
const every = Number(args.every);
const chosen = [...ours, ...others].filter((_, i) => i % every === 0);
console.log(
  `${describeMachine()}: ${ours.length} schemas of ours, ${others.length} collected ones`,
);
for (const folder of [EMBEDDED, ...args.tokenizer]) await measure(folder, chosen);
for (const name of ["Qwen2.5", "Llama-2", "SmolLM2-135M-Instruct"]) {
  const folder = join(SHARED_DATA, "fetched/tokenizers", name);
  if (await loadIfThere(folder)) await measure(folder, chosen);
  else console.log(`\n${name}: its tokenizer is not on this machine`);
}
if (args.overhead) await measureOverhead({ half: args.half });
