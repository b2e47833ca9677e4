// deno-lint-ignore-file no-console
/**
 * Four slow devices against one:
 * `deno task bench:edge [--quick] [--repeats 3] [--fleet equal-1000,...] [--emulation PATH] [--acceptance 0.9] [--data DIR] [--svg DIR]`.
 * Takes about 10 minutes a fleet, 3 with `--quick`.
 *
 * Every row of a table is measured in the same run on the same emulated devices: one device alone,
 * plain pipelining as others do it (even split, the prompt in one piece), then what this project
 * adds, one thing after the other. Made-up weights of a 0.5B model's shape for speed; the embedded
 * pair for acceptance and text.
 *
 * No draft model guesses what made-up weights say, so drafts come from the client's prediction: the
 * plain answer in which a share of the tokens was changed (`--acceptance`; the embedded pair's
 * drafts come true in 0.82-0.98). Such drafts cost no drafting time; the embedded pair's own table
 * has it all.
 *
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seededRandom } from "../../actors/mod.ts";
import type { Plan } from "../../planner/mod.ts";
import { Emulation } from "./edge/emulation.ts";
import { speedsTogether } from "./edge/ceiling.ts";
import { Fleet } from "./edge/fleet.ts";
import { HALF_BILLION, prepareHalfBillion } from "./edge/models.ts";
import type { ClientMeasurement } from "./edge/client.ts";
import { EDGE_OPTIONS, type FleetShape, randomPrompt, requireEmulation } from "./edge/options.ts";
import { alignRows, describeMachine, medianOf } from "./shared/figures.ts";

const { values: args } = parseArgs({
  options: {
    ...EDGE_OPTIONS,
    /** Folder into which pictures of the stages' work are written. @default none */
    svg: { type: "string" },
    /** Share of the tokens of a prediction that are right, 0 to 1. */
    acceptance: { type: "string", default: "0.9" },
  },
});

const FLEETS: FleetShape[] = [
  { name: "equal-1000", cores: [0.45, 0.45, 0.45, 0.45], mbit: 1000 },
  { name: "equal-100", cores: [0.45, 0.45, 0.45, 0.45], mbit: 100 },
  { name: "mixed-1000", cores: [0.6, 0.6, 0.3, 0.3], mbit: 1000 },
  { name: "mixed-100", cores: [0.6, 0.6, 0.3, 0.3], mbit: 100 },
];
const POINTS = [
  "Pick the right soil",
  "Water in the morning",
  "Give enough light",
  "Feed now and then",
  "Watch for pests",
  "Prune the old leaves",
  "Mind the frost",
  "Harvest in time",
];
const QUESTION = "How can I make compost from kitchen waste?";
const NEW_TOKENS = 64;
/**
 * What the planner is told about the requests below: questions about long prompts, and long answers
 * to short prompts.
 */
const WORKLOADS = {
  prompts: "{ prompt_tokens: 512, output_tokens: 64, branches: 8 }",
  answers: "{ prompt_tokens: 64, output_tokens: 512, branches: 8 }",
};
const random = seededRandom(7);

const repeats = Number(args.repeats ?? (args.quick ? 1 : 3));
const chosen = args.fleet?.split(",") ?? (args.quick ? ["equal-1000"] : FLEETS.map((f) => f.name));

/**
 * Figures of one row of the table. Undefined: not measured, because it cannot differ from the row
 * above.
 */
interface EdgeRow {
  name: string;
  /** Seconds to the first token, by prompt length in tokens. */
  ttft: Map<number, number>;
  /** Tokens a second after the first token, of 64 tokens that follow a short prompt. */
  decode?: number;
  /** Seconds for a prompt of 260 tokens and 64 new ones. */
  request?: number;
  /** Seconds for an answer of 512 tokens. */
  answer?: number;
  /** Tokens a second in that answer. */
  answerSpeed?: number;
  bubbles?: number;
  wasted?: number;
  bytesPerHop?: number;
  cpuS: number;
}

type Orrery = Record<string, unknown>;

/** A request with the plain answer of one device. */
interface Known {
  body: Record<string, unknown>;
  text: string;
}

async function main(): Promise<void> {
  console.log(
    `${describeMachine({ load: true })}, medians of ${repeats}, ` +
      `acceptance of predictions ${args.acceptance}`,
  );
  await mkdir(args.data, { recursive: true });
  await prepareHalfBillion(args.data);
  for (const shape of FLEETS.filter((f) => chosen.includes(f.name))) await benchFleet(shape);
}

async function benchFleet(shape: FleetShape): Promise<void> {
  console.log(
    `\n## ${shape.name}: ${shape.cores.join(" / ")} cores, ${shape.mbit} Mbit/s, ${HALF_BILLION}`,
  );
  const { cores, mbit, name } = shape;
  const rows: EdgeRow[] = [];
  const known: Known[] = [];
  const first = ["--model", HALF_BILLION];
  await using emulation = await Emulation.up(cores.length, { mbit, script: args.emulation });
  if (!args.quick && mbit === 1000) await printCeiling(emulation, cores);
  const start = (options: { cores: number[]; first: string[] }) =>
    Fleet.start(emulation, { data: args.data, ...options });
  {
    await using one = await start({ cores: cores.slice(0, 1), first });
    rows.push(...await plain(one, { "one device": { mode: "plain" } }, known));
  }
  {
    await using even = await start({ cores, first: [...first, "--placement", "even"] });
    rows.push(...await plain(even, { "plain pipeline": { mode: "plain", pieces: 1 } }));
  }
  {
    await using planned = await start({ cores, first: ["--graph", await graphOf("prompts")] });
    printPlan(await planned.json("/api/plan") as Plan);
    const [pieces, auto] = await plain(planned, {
      "+ pieces": { mode: "plain" },
      auto: { mode: "auto" },
    });
    await picture(planned, `${name}-prefill`, () => planned.ask(body(512, 1, { mode: "plain" })));
    rows.push(pieces, await predicted(planned, "+ speculation", known));
    const modes = { "+ outline": "outline", "+ both": "outline+speculative", auto: "auto" };
    const [outline, both, answers] = await outlined(planned, modes);
    await picture(planned, `${name}-outline`, () => planned.ask(outlineBody("outline", 128)));
    rows.push(outline, both, { ...auto, answer: answers.answer, answerSpeed: answers.answerSpeed });
  }
  if (!args.quick) {
    await using planned = await start({ cores, first: ["--graph", await graphOf("answers")] });
    printPlan(await planned.json("/api/plan") as Plan);
    rows.push(...await outlined(planned, { "+ outline, planned for answers": "outline" }));
  }
  printTable(rows);
  await benchPair(emulation, shape);
}

async function graphOf(workload: keyof typeof WORKLOADS): Promise<string> {
  const graph = join(args.data, `${workload}.yaml`);
  await writeFile(graph, `model: ${HALF_BILLION}\nworkload: ${WORKLOADS[workload]}\n`);
  return graph;
}

/** Prints what no pipeline on these devices can exceed. */
async function printCeiling(emulation: Emulation, cores: number[]): Promise<void> {
  const one = await speedsTogether(emulation, { cores: cores.slice(0, 1), data: args.data });
  const all = await speedsTogether(emulation, { cores, data: args.data });
  for (const [rows, [alone]] of one) {
    const together = all.get(rows)!.reduce((a, b) => a + b) / alone;
    console.log(
      `  frames of ${rows} rows on all devices at once, no network: ${
        together.toFixed(2)
      } times device 1`,
    );
  }
}

/**
 * Measures time to first token, decoding, a whole request and a long answer, in several modes by
 * turns. The requests and their answers are added to `known`.
 */
async function plain(
  fleet: Fleet,
  modes: Record<string, Orrery>,
  known: Known[] = [],
): Promise<EdgeRow[]> {
  const rows = Object.keys(modes).map(newRow);
  const median = async (
    make: (orrery: Orrery) => Record<string, unknown>,
    of: (m: ClientMeasurement) => number,
    note = false,
  ) => {
    const all = rows.map((): number[] => []);
    for (let i = 0; i < repeats; i++) {
      for (const [k, row] of rows.entries()) {
        const asked = make(modes[row.name]);
        const measured = await ask(fleet, row, asked);
        all[k].push(of(measured));
        if (note) known.push({ body: asked, text: measured.text });
      }
    }
    return all.map(medianOf);
  };
  for (const prompt of args.quick ? [512] : [128, 512, 1024]) {
    const seconds = await median((orrery) => body(prompt, 1, orrery), (m) => m.ttftS);
    for (const [k, row] of rows.entries()) row.ttft.set(prompt, seconds[k]);
  }
  const decode = await median((orrery) => body(32, NEW_TOKENS, orrery), tokensPerS, true);
  const request = await median((orrery) => body(260, NEW_TOKENS, orrery), (m) => m.totalS, true);
  for (const [k, row] of rows.entries()) [row.decode, row.request] = [decode[k], request[k]];
  if (!args.quick) {
    for (const row of rows) {
      const answer = await ask(fleet, { ...row }, body(32, 512, modes[row.name]));
      [row.answer, row.answerSpeed] = [answer.totalS, answer.tokens / answer.totalS];
    }
  }
  return rows;
}

/**
 * Sends the requests that one device has answered, with its answers, changed here and there, as the
 * client's predictions.
 */
async function predicted(fleet: Fleet, name: string, known: Known[]): Promise<EdgeRow> {
  const row = newRow(name);
  const decode: number[] = [], request: number[] = [];
  for (const { body, text } of known) {
    const last = await ask(fleet, row, {
      ...body,
      orrery: { ignore_eos: true, mode: "speculative" },
      prediction: { type: "content", content: changed(text) },
    });
    if (last.text !== text) console.log(`  ${name}: the answer differs from one device's`);
    if ((body.prompt as number[]).length === 32) decode.push(tokensPerS(last));
    else request.push(last.totalS);
  }
  [row.decode, row.request] = [medianOf(decode), medianOf(request)];
  return row;
}

/** Measures an answer of 512 tokens, point by point, in several modes by turns. */
async function outlined(fleet: Fleet, modes: Record<string, string>): Promise<EdgeRow[]> {
  const rows = Object.keys(modes).map(newRow);
  const all = rows.map((): ClientMeasurement[] => []);
  for (let i = 0; i < repeats; i++) {
    for (const [k, row] of rows.entries()) {
      all[k].push(await ask(fleet, row, outlineBody(modes[row.name], 512)));
    }
  }
  for (const [k, row] of rows.entries()) {
    row.answer = medianOf(all[k].map((m) => m.totalS));
    row.answerSpeed = all[k][0].tokens / row.answer;
    console.log(`  ${row.name}: ${JSON.stringify(all[k].at(-1)!.orrery)}`);
  }
  return rows;
}

/** Measures the embedded pair on the same devices: its own drafts, its own outlines, real text. */
async function benchPair(emulation: Emulation, { cores, mbit, name }: FleetShape): Promise<void> {
  console.log(`\n## ${name}: the embedded pair (f32), ${mbit} Mbit/s, "${QUESTION}"`);
  const speeds = new Map<string, number>();
  for (
    const [fleetName, count, placement] of [["one device", 1, "planned"], [
      "pipeline",
      4,
      "even",
    ]] as const
  ) {
    const first = ["--placement", placement];
    await using fleet = await Fleet.start(emulation, {
      cores: cores.slice(0, count),
      data: args.data,
      first,
    });
    for (const mode of ["plain", "speculative", "outline", "outline+speculative", "auto"]) {
      const ask = () =>
        fleet.ask({
          messages: [{ role: "user", content: QUESTION }],
          max_tokens: 400,
          temperature: 0,
          orrery: { mode },
        });
      await ask(); // the second time is measured, when the drafter and its figures are warm
      const all: ClientMeasurement[] = [];
      for (let i = 0; i < repeats; i++) all.push(await ask());
      const last = all.at(-1)!;
      const value = medianOf(all.map((m) => m.tokens / m.totalS));
      speeds.set(`${fleetName} ${mode}`, value);
      const base = speeds.get("one device plain")!;
      const { drafted, accepted, branches } = last.orrery ?? {};
      console.log(
        `  ${fleetName.padEnd(11)} ${mode.padEnd(20)} ${value.toFixed(1).padStart(7)} tokens/s  ${
          (value / base).toFixed(2)
        }x one device plain  (${last.tokens} tokens, ${accepted} of ${drafted} drafted, ${branches} branches)`,
      );
    }
  }
}

const newRow = (name: string): EdgeRow => ({ name, ttft: new Map(), cpuS: 0 });

/** Sends a request and adds the CPU seconds that it took of the devices to the row. */
async function ask(
  fleet: Fleet,
  row: EdgeRow,
  body: Record<string, unknown>,
): Promise<ClientMeasurement> {
  const before = cpu(await fleet.stats());
  const measured = await fleet.ask(body);
  row.cpuS += cpu(await fleet.stats()) - before;
  const { orrery } = measured;
  row.bubbles = orrery?.bubble_share as number | undefined;
  row.wasted = orrery?.wasted_row_share as number | undefined;
  row.bytesPerHop = orrery?.bytes_per_token_per_hop as number | undefined;
  return measured;
}

/** Does some work and writes a picture of what the stages did meanwhile, if `--svg` asks for it. */
async function picture(fleet: Fleet, name: string, work: () => Promise<unknown>): Promise<void> {
  if (args.svg === undefined) return;
  const newest = async () => (await fleet.json("/api/trace") as { seq: number }[]).at(-1)?.seq ?? 0;
  const before = await newest();
  await work();
  const last = Math.max(1, Math.min(512, await newest() - before));
  await mkdir(args.svg, { recursive: true });
  await writeFile(join(args.svg, `${name}.svg`), await fleet.text(`/api/trace.svg?last=${last}`));
}

function body(prompt: number, tokens: number, orrery: Orrery): Record<string, unknown> {
  return {
    model: "default",
    prompt: randomPrompt(random, prompt),
    max_tokens: tokens,
    temperature: 0,
    orrery: { ignore_eos: true, ...orrery },
  };
}

function outlineBody(mode: string, tokens: number): Record<string, unknown> {
  return {
    messages: [{ role: "user", content: `${QUESTION} ${Math.floor(random() * 1e6)}` }],
    max_tokens: tokens,
    temperature: 0,
    orrery: { mode, points: POINTS, ignore_eos: true },
  };
}

/**
 * Ids of the tokens of a text that the random model wrote (its tokenizer writes token n as
 * `wordn`), a share of them replaced by others.
 */
function changed(text: string): number[] {
  const rate = Number(args.acceptance);
  const other = () => 5000 + Math.floor(random() * 1000);
  return [...text.matchAll(/word(\d+)|[^w]+|w/g)].map(([, id]) =>
    id && random() < rate ? Number(id) : other()
  );
}

const tokensPerS = (m: ClientMeasurement) => (m.tokens - 1) / (m.totalS - m.ttftS);
const cpu = (stats: { cpuS: number }[]) => stats.reduce((sum, s) => sum + s.cpuS, 0);

function printPlan(plan: Plan): void {
  for (const { host, first_layer, last_layer, why } of plan.stages) {
    console.log(`  layers ${first_layer}-${last_layer} on ${host}: ${why}`);
  }
  for (const { host, why } of plan.idle) console.log(`  idle ${host}: ${why}`);
  console.log(
    `  pieces of a prompt of 512: ${
      plan.piece_buckets.find((b) => b.prompt_tokens >= 512)?.rows.join(" ")
    }`,
  );
}

function printTable(rows: EdgeRow[]): void {
  const [one, even] = rows;
  const lengths = [...one.ttft.keys()];
  const cells = [
    [
      "",
      ...lengths.map((n) => `TTFT ${n}`),
      "decode",
      "260+64",
      "512 answer",
      "tokens/s",
      "bubbles",
      "wasted",
      "B/hop",
      "CPU",
    ],
    ...rows.map((r) => [
      r.name,
      ...lengths.map((n) => seconds(r.ttft.get(n))),
      r.decode === undefined ? "" : `${r.decode.toFixed(1)}/s`,
      seconds(r.request),
      seconds(r.answer),
      r.answerSpeed?.toFixed(1) ?? "",
      percent(r.bubbles),
      percent(r.wasted),
      r.bytesPerHop === undefined ? "" : r.bytesPerHop.toFixed(0),
      `${r.cpuS.toFixed(0)} s`,
    ]),
  ];
  for (const line of alignRows(cells, [0])) console.log(`  ${line}`);
  const nameWidth = Math.max(...rows.map(({ name }) => name.length));
  console.log("\n  ratios (one device / plain pipeline):");
  for (const row of rows.slice(1)) {
    const parts = [
      ...lengths.map((n) => ratio(`TTFT ${n}`, row.ttft.get(n), (r) => r.ttft.get(n), true)),
      ratio("decode", row.decode, (r) => r.decode),
      ratio("260+64", row.request, (r) => r.request, true),
      // An answer by outline is compared with plain decoding of as many tokens.
      ratio("512 tokens/s", row.answerSpeed, (r) => r.answerSpeed ?? r.decode),
    ].filter((p) => p !== "");
    console.log(`  ${row.name.padEnd(nameWidth)}  ${parts.join("   ")}`);
  }

  function ratio(
    name: string,
    value: number | undefined,
    of: (r: EdgeRow) => number | undefined,
    less = false,
  ): string {
    if (value === undefined) return "";
    const against = (base: EdgeRow) => {
      const other = of(base);
      return other === undefined ? "-" : `${(less ? other / value : value / other).toFixed(2)}x`;
    };
    return `${name} ${against(one)} / ${against(even)}`;
  }
}

const seconds = (s: number | undefined) => s === undefined ? "" : `${s.toFixed(2)} s`;
const percent = (p: number | undefined) => p === undefined ? "" : `${(100 * p).toFixed(0)} %`;

await requireEmulation(args.emulation);
await main();
