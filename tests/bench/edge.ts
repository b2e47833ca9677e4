// deno-lint-ignore-file no-console
/**
 * Slow devices against one of them: `deno task bench:edge`, options in docs/command-line.md. Takes
 * about 12 minutes a fleet, 4 with `--quick`, less with `--only`.
 *
 * Every row of a table is measured in the same run on the same emulated devices: one device alone
 * in each mode, plain pipelining as others do it (even split, the prompt in one piece), then what
 * this project adds, one thing after the other, and a peer's figures where `--peer` gives a program
 * that measures one. Made-up weights of a real model's shape for speed; the embedded pair for
 * acceptance and text.
 *
 * No draft model guesses what made-up weights say, so drafts come from the client's prediction: the
 * plain answer in which a share of the tokens was changed (`--acceptance`; the embedded pair's
 * drafts come true in 0.82-0.98). Such drafts cost no drafting time; the embedded pair's own table
 * has it all.
 *
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { seededRandom } from "../../actors/mod.ts";
import type { Plan } from "../../planner/mod.ts";
import { Emulation } from "./edge/emulation.ts";
import { speedsTogether } from "./edge/ceiling.ts";
import { Fleet } from "./edge/fleet.ts";
import { HALF_BILLION, prepareRandomModel, RANDOM_MODELS } from "./edge/models.ts";
import type { ClientMeasurement } from "./edge/client.ts";
import {
  customFleet,
  EDGE_OPTIONS,
  type FleetShape,
  oneOf,
  orUsage,
  periodOf,
  randomPrompt,
  repeatsOf,
  requireEmulation,
  someOf,
} from "./edge/options.ts";
import { benchPair, QUESTION } from "./edge/pair.ts";
import { askPeer, type PeerRequest, peerRows } from "./edge/peer.ts";
import { costLine, measureTls, type MessageCost, shareLine } from "./edge/tls_cost.ts";
import { type EdgeRow, edgeTable, PLAIN_PIPELINE, type RowMode } from "./edge/table.ts";
import { describeMachine, medianOf } from "./shared/figures.ts";

const { values: args } = parseArgs({
  options: {
    ...EDGE_OPTIONS,
    /** Folder into which pictures of the stages' work are written. @default none */
    svg: { type: "string" },
    /** Share of the tokens of a prediction that are right, 0 to 1. */
    acceptance: { type: "string", default: "0.9" },
    /** Shape of the made-up model. */
    model: { type: "string", default: HALF_BILLION },
    /** Cores of the devices of a fleet of one's own, separated by commas. */
    cores: { type: "string" },
    /** Rate of that fleet's links in megabits a second. @default 1000 */
    mbit: { type: "string" },
    /** Devices that compute the LM head in planned placements: auto, last, or 1 to 8. */
    head: { type: "string", default: "auto" },
    /** Command that measures a peer, see `edge/peer.ts`. @default none */
    peer: { type: "string" },
    /** Which of {@linkcode PARTS} to measure, separated by commas. @default all */
    only: { type: "string" },
  },
});

const FLEETS: FleetShape[] = [
  { name: "equal-1000", cores: [0.45, 0.45, 0.45, 0.45], mbit: 1000 },
  { name: "equal-100", cores: [0.45, 0.45, 0.45, 0.45], mbit: 100 },
  { name: "mixed-1000", cores: [0.6, 0.6, 0.3, 0.3], mbit: 1000 },
  { name: "mixed-100", cores: [0.6, 0.6, 0.3, 0.3], mbit: 100 },
];
/** Parts of the benchmark. The first four are rows of the table. */
const PARTS = ["one", "even", "planned", "answers", "peer", "pair", "ceiling"];
/** Parts that `--quick` leaves out. */
const THOROUGH = ["answers", "ceiling"];
/** Longest time for a peer to measure a fleet, in milliseconds. */
const PEER_MS = 1_800_000;
const POINTS = [
  "Pick the right soil",
  "Water in the morning",
  "Give enough light",
  "Feed now and then",
  "Watch for pests",
  "Prune the old leaves",
  "Mind the frost",
  "Harvest in time",
  "Keep the seeds dry",
  "Turn the compost",
  "Choose a sunny place",
  "Leave room to grow",
  "Tie up tall plants",
  "Cover the soil",
  "Clean the tools",
  "Rotate the beds",
];
const NEW_TOKENS = 64;
/** Least processor quota of a period that Linux takes, in microseconds. */
const LEAST_QUOTA_US = 1000;
/**
 * What the planner is told about the requests below: questions about long prompts, and long answers
 * to short prompts.
 */
const WORKLOADS = {
  prompts: "{ prompt_tokens: 512, output_tokens: 64, branches: 8 }",
  answers: "{ prompt_tokens: 64, output_tokens: 512, branches: 8 }",
};
const random = seededRandom(7);
/** What TLS costs a message, as measured on this machine at the start. */
let tls: MessageCost[] = [];
const { repeats, periodUs, model, fleets, parts, prompts, head } = orUsage(readSettings);

/** What the options ask for. Throws an Error that says which of them is wrong. */
function readSettings() {
  const parts = args.only === undefined
    ? PARTS.filter((part) => !(args.quick && THOROUGH.includes(part)))
    : someOf("--only", args.only, PARTS);
  const periodUs = periodOf(args.period);
  return {
    repeats: repeatsOf(args),
    periodUs,
    model: oneOf("--model", args.model, Object.keys(RANDOM_MODELS)),
    head: oneOf("--head", args.head, ["auto", "last", ..."12345678"]),
    fleets: chosenFleets(periodUs),
    parts: new Set(parts),
    /** Lengths in tokens of the prompts whose first token is timed. */
    prompts: args.quick ? [512] : [128, 512, 1024],
  };
}

type Orrery = Record<string, unknown>;

/** Name of a row, and how its requests are to be answered. */
interface RowName {
  name: string;
  mode: RowMode;
}

/** A request with the plain answer of one device. */
interface Known {
  body: Record<string, unknown>;
  text: string;
}

/** The fleets that the options ask for. Throws an Error that says which option is wrong. */
function chosenFleets(periodUs: number): FleetShape[] {
  const names = FLEETS.map((fleet) => fleet.name);
  const named = args.fleet ?? (args.quick ? "equal-1000" : names.join(","));
  const chosen = args.cores === undefined && args.mbit === undefined
    ? FLEETS.filter((fleet) => someOf("--fleet", named, names).includes(fleet.name))
    : [customFleet(args.cores ?? FLEETS[0].cores.join(","), args.mbit ?? "1000")];
  for (const { cores } of chosen) {
    const least = Math.min(...cores);
    if (least * periodUs >= LEAST_QUOTA_US) continue;
    throw new Error(
      `--period ${periodUs} gives a device of ${least} core ${least * periodUs} microseconds; ` +
        `Linux takes at least ${LEAST_QUOTA_US}, so use --period ${
          Math.ceil(LEAST_QUOTA_US / least)
        } or more, or another --fleet`,
    );
  }
  return chosen;
}

async function main(): Promise<void> {
  console.log(
    `${describeMachine({ load: true })}, medians of ${repeats}, period ${periodUs} us, ` +
      `acceptance of predictions ${args.acceptance}`,
  );
  await mkdir(args.data, { recursive: true });
  await prepareRandomModel(args.data, model);
  tls = await measureTls();
  console.log(costLine(tls));
  for (const fleet of fleets) await benchFleet(fleet);
}

async function benchFleet(shape: FleetShape): Promise<void> {
  console.log(
    `\n## ${shape.name}: ${shape.cores.join(" / ")} cores, ${shape.mbit} Mbit/s, ${model}`,
  );
  const { cores, mbit } = shape;
  const rows: EdgeRow[] = [];
  const known: Known[] = [];
  const first = ["--model", model];
  await using emulation = await Emulation.up(cores.length, {
    mbit,
    periodUs,
    script: args.emulation,
  });
  if (parts.has("ceiling") && mbit === 1000) await printCeiling(emulation, cores);
  const start = (options: { cores: number[]; first: string[] }) =>
    Fleet.start(emulation, { data: args.data, ...options });
  if (parts.has("one")) {
    await using one = await start({ cores: cores.slice(0, 1), first });
    rows.push(
      ...await ended(one, [
        ...await plain(one, [{ name: "one device", mode: "plain" }], known),
        await predicted(one, "one device + speculation", known),
        ...await outlined(one, [
          { name: "one device + outline", mode: "outline" },
          { name: "one device + outline 16", mode: "outline 16" },
        ]),
      ]),
    );
  }
  if (parts.has("peer") && args.peer !== undefined) {
    rows.push(...await peerOf(args.peer, peerRequest(emulation, shape)));
  }
  if (cores.length > 1) {
    if (parts.has("even")) {
      await using even = await start({ cores, first: [...first, "--placement", "even"] });
      const row = { name: PLAIN_PIPELINE, mode: "plain", pieces: 1 } as const;
      rows.push(...await ended(even, await plain(even, [row])));
    }
    if (parts.has("planned")) {
      await using planned = await start({ cores, first: ["--graph", await graphOf("prompts")] });
      rows.push(...await ended(planned, await withPlan(planned, shape, known)));
    }
    if (parts.has("answers")) {
      await using planned = await start({ cores, first: ["--graph", await graphOf("answers")] });
      printPlan(await planned.json("/api/plan") as Plan);
      const row = { name: "+ outline, planned for answers", mode: "outline" } as const;
      rows.push(...await ended(planned, await outlined(planned, [row])));
    }
  }
  if (rows.length > 0) { for (const line of edgeTable(rows)) console.log(`  ${line}`); }
  if (parts.has("pair")) await benchPair(emulation, { ...shape, data: args.data, repeats });
}

/** Measures what a planned placement on several devices adds, one thing after the other. */
async function withPlan(
  fleet: Fleet,
  { name, cores }: FleetShape,
  known: Known[],
): Promise<EdgeRow[]> {
  const plan = await fleet.json("/api/plan") as Plan;
  printPlan(plan);
  const [pieces, auto] = await plain(fleet, [
    { name: "+ pieces", mode: "plain" },
    { name: "auto", mode: "auto" },
  ]);
  await picture(fleet, `${name}-prefill`, () => fleet.ask(body(512, 1, { mode: "plain" })));
  const shares = shareLine(tls, { plan, row: pieces, cores });
  if (shares !== undefined) console.log(`  ${shares}`);
  const drafted = known.length > 0 ? [await predicted(fleet, "+ speculation", known)] : [];
  const [outline, more, both, answers] = await outlined(fleet, [
    { name: "+ outline", mode: "outline" },
    { name: "+ outline 16", mode: "outline 16" },
    { name: "+ both", mode: "outline", drafts: true },
    { name: "auto", mode: "auto" },
  ]);
  await picture(fleet, `${name}-outline`, () => fleet.ask(outlineBody("outline", 128)));
  const { answer, answerSpeed } = answers;
  return [pieces, ...drafted, outline, more, both, { ...auto, answer, answerSpeed }];
}

/** Notes in the rows how much memory the devices' processes take after the requests. */
async function ended(fleet: Fleet, rows: EdgeRow[]): Promise<EdgeRow[]> {
  const residentBytes = await fleet.residentBytes();
  for (const row of rows) [row.devices, row.residentBytes] = [residentBytes.length, residentBytes];
  return rows;
}

/** What the program of `--peer` is asked. */
function peerRequest(emulation: Emulation, { name, cores, mbit }: FleetShape): PeerRequest {
  return {
    fleet: { name, cores, mbit, period_us: periodUs },
    devices: cores.map((share, i) => ({
      address: emulation.address(i + 1),
      ...emulation.prefix(i + 1, share),
    })),
    model: { name: model, data: resolve(args.data), shape: RANDOM_MODELS[model] },
    measure: {
      ttft_prompts: prompts,
      decode: { prompt: 32, tokens: NEW_TOKENS },
      request: { prompt: 260, tokens: NEW_TOKENS },
    },
    repeats,
  };
}

/** A peer's rows; none where its command fails, which is said and leaves the other rows. */
async function peerOf(command: string, request: PeerRequest): Promise<EdgeRow[]> {
  try {
    const answer = await askPeer(command, request, AbortSignal.timeout(PEER_MS));
    for (const note of answer.notes) console.log(`  ${answer.peer}: ${note}`);
    return peerRows(answer);
  } catch (error) {
    console.log(`  no peer: ${error instanceof Error ? error.message : error}`);
    return [];
  }
}

async function graphOf(workload: keyof typeof WORKLOADS): Promise<string> {
  const graph = join(args.data, `${workload}.yaml`);
  const text = `model: ${model}\nworkload: ${WORKLOADS[workload]}\nactors: { head: ${head} }\n`;
  await writeFile(graph, text);
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
  asked: (RowName & { mode: "plain" | "auto"; pieces?: number })[],
  known: Known[] = [],
): Promise<EdgeRow[]> {
  const rows = asked.map(newRow);
  const fields = asked.map(({ mode, pieces }): Orrery => ({ mode, ...(pieces && { pieces }) }));
  const median = async (
    make: (orrery: Orrery) => Record<string, unknown>,
    of: (m: ClientMeasurement) => number,
    note = false,
  ) => {
    const all = rows.map((): number[] => []);
    for (let i = 0; i < repeats; i++) {
      for (const [k, row] of rows.entries()) {
        const body = make(fields[k]);
        const measured = await ask(fleet, row, body);
        all[k].push(of(measured));
        if (note) known.push({ body, text: measured.text });
      }
    }
    return all.map(medianOf);
  };
  for (const prompt of prompts) {
    const seconds = await median((orrery) => body(prompt, 1, orrery), (m) => m.ttftS);
    for (const [k, row] of rows.entries()) row.ttft.set(prompt, seconds[k]);
  }
  const decode = await median((orrery) => body(32, NEW_TOKENS, orrery), tokensPerS, true);
  const request = await median((orrery) => body(260, NEW_TOKENS, orrery), (m) => m.totalS, true);
  for (const [k, row] of rows.entries()) [row.decode, row.request] = [decode[k], request[k]];
  if (!args.quick) {
    for (const [k, row] of rows.entries()) {
      const answer = await ask(fleet, { ...row }, body(32, 512, fields[k]));
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
  const row = newRow({ name, mode: "speculation" });
  const decode: number[] = [], request: number[] = [];
  for (const { body, text } of known) {
    const last = await ask(fleet, row, {
      ...body,
      // A fleet that has seen the prompt before would answer without computing it.
      orrery: { ignore_eos: true, mode: "speculative", reuse: false },
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
async function outlined(
  fleet: Fleet,
  asked: (RowName & { drafts?: boolean })[],
): Promise<EdgeRow[]> {
  const rows = asked.map(newRow);
  const all = rows.map((): ClientMeasurement[] => []);
  for (let i = 0; i < repeats; i++) {
    for (const [k, row] of rows.entries()) {
      const points = row.mode === "outline 16" ? 16 : 8;
      const drafts = asked[k].drafts ? "+speculative" : "";
      const mode = row.mode === "auto" ? "auto" : `outline${drafts}`;
      all[k].push(await ask(fleet, row, outlineBody(mode, 512, points)));
    }
  }
  for (const [k, row] of rows.entries()) {
    row.answer = medianOf(all[k].map((m) => m.totalS));
    row.answerSpeed = all[k][0].tokens / row.answer;
    console.log(`  ${row.name}: ${JSON.stringify(all[k].at(-1)!.orrery)}`);
  }
  return rows;
}

const newRow = ({ name, mode }: RowName): EdgeRow => (
  { name, mode, devices: 0, ttft: new Map(), cpuS: 0 }
);

/** Sends a request and adds the CPU seconds that it took of the devices to the row. */
async function ask(
  fleet: Fleet,
  row: EdgeRow,
  body: Record<string, unknown>,
): Promise<ClientMeasurement> {
  const before = cpu(await fleet.stats());
  const measured = await fleet.ask(body);
  row.cpuS! += cpu(await fleet.stats()) - before;
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

function outlineBody(mode: string, tokens: number, points = 8): Record<string, unknown> {
  return {
    messages: [{ role: "user", content: `${QUESTION} ${Math.floor(random() * 1e6)}` }],
    max_tokens: tokens,
    temperature: 0,
    // The points are those of earlier requests: drafts would be looked up in their answers.
    orrery: { mode, points: POINTS.slice(0, points), ignore_eos: true, reuse: false },
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

await requireEmulation(args.emulation);
await main();
