// deno-lint-ignore-file no-console
/**
 * `deno task bench:speculation [--quick] [--heads]`: tokens a second with drafts against plain decoding, in
 * virtual time.
 *
 * The real actors (Generation, arbiter, stages) run under the simulator; only engines, drafters and
 * links are made up, from measured costs. So the table depends on no machine, and takes seconds.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { samplingSchema, seededRandom } from "../../actors/mod.ts";
import { prompt, toyTokens, world } from "../support/generation_world.ts";
import { DEVICES, stageMs } from "./speculation/devices.ts";

const { values: args } = parseArgs({
  options: {
    /** Three columns and one answer a cell. */
    quick: { type: "boolean", default: false },
    /** Only the table of draft models with trimmed heads. */
    heads: { type: "boolean", default: false },
  },
});

/** Tokens of each answer. */
const TOKENS = 300;
const ACCEPTANCES = args.quick ? [0, 0.5, 0.9] : [0, 0.3, 0.5, 0.7, 0.9, 1];
const SEEDS = args.quick ? [1] : [1, 2, 3];
const LINKS = { min: 0.3, max: 1 };

/** Milliseconds of a drafted token on the drafter's own device; a prediction takes none. */
const DRAFT_MS = { prediction: 0, model: 2 };

interface Cell {
  device: keyof typeof DEVICES;
  stages: number;
  /** Where drafts come from. */
  source: "plain" | "prediction" | "model";
  /** Share of drafted tokens that come true, 0 to 1. */
  acceptance: number;
  draftMs: number;
}

/** Mean tokens a second, from the first token on, of answers whose drafter has been measured. */
async function tokensPerS({ device, stages, source, acceptance, draftMs }: Cell): Promise<number> {
  let speed = 0;
  for (const seed of SEEDS) {
    const random = seededRandom(seed * 77 + 5);
    const right = () => random() < acceptance;
    const w = world({
      stages,
      seed,
      latencyMs: LINKS,
      frameMs: stageMs(DEVICES[device], stages),
      ...(source === "model" && {
        drafter: { right, chance: Math.min(0.99, acceptance), ms: draftMs },
      }),
    });
    const truth = toyTokens(Array.from(prompt), TOKENS, samplingSchema.parse({}));
    const request = {
      mode: source === "plain" ? "plain" : "auto",
      max_tokens: TOKENS,
      ...(source === "prediction" && {
        prediction: Int32Array.from(truth, (t) => right() ? t : (t + 1) % 251),
      }),
    };
    // The second request begins with what the first has measured.
    const { measured } = (await w.answer("first", request)).done;
    const { tokens, done } = await w.answer("second", { ...request, measured });
    if (tokens.join() !== truth.join()) throw new Error("drafts changed the answer");
    speed += 1000 / done.tpot_ms! / SEEDS.length;
  }
  return speed;
}

/**
 * Milliseconds of a token of a draft model with 4 layers of the 0.5B shape on a whole core, with its
 * whole LM head and with so much of it, and the share of a text's tokens that such a head has:
 * English, and the mean over six languages (`deno task bench:drafter`).
 */
const HEADS = [
  { head: "whole", ms: 8, covered: { English: 1, "six languages": 1 } },
  { head: "1/2", ms: 4.9, covered: { English: 0.99, "six languages": 0.85 } },
  { head: "1/4", ms: 3.9, covered: { English: 0.95, "six languages": 0.75 } },
] as const;

/** Prints what a draft model gains by a smaller LM head. */
async function trimmedHeads(): Promise<void> {
  console.log(
    "\na draft model with 4 layers of the 0.5B shape on a whole core of its own, tokens a second by the " +
      "part of its LM head; devices with a slower core\n",
  );
  const acceptances = [0.7, 0.9];
  line([
    "stages, language",
    ...acceptances.flatMap((a) => HEADS.map(({ head }) => `${head} at ${a}`)),
  ]);
  line(["---", ...acceptances.flatMap(() => HEADS.map(() => "---"))]);
  for (const stages of [1, 4]) {
    for (const language of ["English", "six languages"] as const) {
      const cells: string[] = [];
      for (const a of acceptances) {
        for (const { ms, covered } of HEADS) {
          const acceptance = a * covered[language];
          const speed = await tokensPerS({
            device: "slow",
            stages,
            source: "model",
            acceptance,
            draftMs: ms,
          });
          cells.push(speed.toFixed(1));
        }
      }
      line([`${stages}, ${language}`, ...cells]);
    }
  }
}

const line = (cells: string[]) => console.log(`| ${cells.join(" | ")} |`);

for (const device of args.heads ? [] : Object.keys(DEVICES) as (keyof typeof DEVICES)[]) {
  console.log(`\n${DEVICES[device].text}; links of ${LINKS.min}-${LINKS.max} ms\n`);
  line(["stages, drafts", ...ACCEPTANCES.map((a) => `at ${a}`)]);
  line(["---", ...ACCEPTANCES.map(() => "---")]);
  for (const stages of [1, 2, 4]) {
    const plain = await tokensPerS({ device, stages, source: "plain", acceptance: 0, draftMs: 0 });
    line([`${stages}, none`, plain.toFixed(1), ...ACCEPTANCES.slice(1).map(() => "")]);
    for (const source of ["prediction", "model"] as const) {
      const cells: string[] = [];
      for (const acceptance of ACCEPTANCES) {
        const draftMs = DRAFT_MS[source];
        const speed = await tokensPerS({ device, stages, source, acceptance, draftMs });
        cells.push(`${speed.toFixed(1)} (${(speed / plain).toFixed(2)})`);
      }
      line([`${stages}, ${source}`, ...cells]);
    }
  }
}

await trimmedHeads();
