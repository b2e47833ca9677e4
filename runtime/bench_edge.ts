// deno-lint-ignore-file no-console
/**
 * Four slow devices against one: `deno task bench:edge [--quick] [--repeats 3] [--fleet equal-1000,...] [--emulation PATH]
 * [--data DIR] [--svg DIR]`.
 *
 * Every row of a table is measured in the same run on the same emulated devices: one device alone, plain pipelining as others
 * do it (even split, the prompt in one piece), then what this project adds, one thing after the other. Random weights of a
 * 0.5B model's shape for speed; the embedded pair for acceptance and text.
 *
 * With random weights no draft model guesses right, so drafts come from a prediction: the plain answer in which a share of the
 * tokens was changed, so that the acceptance is what it is for the embedded pair. Such drafts cost no drafting time; the
 * embedded pair's own row has it all.
 *
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seededRandom } from "../actors/mod.ts";
import { Emulation } from "./edge/emulation.ts";
import { Fleet } from "./edge/fleet.ts";
import { HALF_BILLION, prepareHalfBillion } from "./edge/models.ts";
import type { Measured } from "./edge/client.ts";

const { values: args } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    repeats: { type: "string" },
    fleet: { type: "string" },
    emulation: { type: "string" },
    data: { type: "string", default: join(tmpdir(), "orrery-edge") },
    svg: { type: "string" },
    acceptance: { type: "string", default: "0.9" },
  },
});

interface FleetShape {
  name: string;
  cores: number[];
  mbit: number;
}

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
const NEW_TOKENS = 64;
const random = seededRandom(7);

const repeats = Number(args.repeats ?? (args.quick ? 1 : 3));
const chosen = args.fleet?.split(",") ?? (args.quick ? ["equal-1000"] : FLEETS.map((f) => f.name));

/** What is asked of a cluster. */
interface Ask {
  prompt: number;
  tokens: number;
  orrery: Record<string, unknown>;
}

/** One line of the table. */
interface Row {
  name: string;
  ttft?: Record<number, number>;
  decode?: number;
  endToEnd?: number;
  outline?: number;
  last?: Measured;
  cpuS?: number;
}

async function main(): Promise<void> {
  console.log(`${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, load ${loadavg()[0].toFixed(2)}, median of ${repeats}`);
  await mkdir(args.data, { recursive: true });
  console.log(`store: ${args.data}`);
  await prepareHalfBillion(args.data);
  for (const shape of FLEETS.filter((f) => chosen.includes(f.name))) await benchFleet(shape);
}

async function benchFleet(shape: FleetShape): Promise<void> {
  console.log(`\n## ${shape.name}: ${shape.cores.join(" / ")} cores, ${shape.mbit} Mbit/s`);
  const rows: Row[] = [];
  const model = ["--model", HALF_BILLION];
  await using emulation = await Emulation.up(shape.cores.length, { mbit: shape.mbit, script: args.emulation });
  {
    await using one = await Fleet.start(emulation, { cores: shape.cores.slice(0, 1), data: args.data, first: model });
    rows.push(await row(one, "one device", { mode: "plain" }));
  }
  {
    const first = [...model, "--placement", "even"];
    await using plain = await Fleet.start(emulation, { cores: shape.cores, data: args.data, first });
    rows.push(await row(plain, "plain pipeline", { mode: "plain", pieces: 1 }));
  }
  await using planned = await Fleet.start(emulation, { cores: shape.cores, data: args.data, first: model });
  console.log(planned.ready.split("\n").filter((l) => l.trim() !== "").map((l) => `  ${l}`).join("\n"));
  rows.push(await row(planned, "+ pieces", { mode: "plain" }));
  rows.push(await speculative(planned, "+ speculation", "speculative"));
  rows.push(await outline(planned, "+ outline", "outline"));
  rows.push(await outline(planned, "+ both", "outline+speculative"));
  rows.push(await row(planned, "auto", { mode: "auto" }));
  print(rows);
}

async function row(fleet: Fleet, name: string, orrery: Record<string, unknown>): Promise<Row> {
  const before = cpu(await fleet.stats());
  const ttft: Record<number, number> = {};
  for (const prompt of args.quick ? [512] : [128, 512, 1024]) {
    ttft[prompt] = (await median(fleet, { prompt, tokens: 1, orrery }, (m) => m.ttftS)).value;
  }
  const decode = await median(fleet, { prompt: 32, tokens: NEW_TOKENS, orrery }, tokensPerS);
  const endToEnd = await median(fleet, { prompt: 260, tokens: NEW_TOKENS, orrery }, (m) => m.totalS);
  return {
    name,
    ttft,
    decode: decode.value,
    endToEnd: endToEnd.value,
    last: endToEnd.last,
    cpuS: cpu(await fleet.stats()) - before,
  };
}

/** Decoding with the plain answer, changed here and there, as the prediction. */
async function speculative(fleet: Fleet, name: string, mode: string): Promise<Row> {
  const before = cpu(await fleet.stats());
  const measureOne = async (prompt: number) => {
    const tokens = promptTokens(prompt);
    const plain = await fleet.ask(body(tokens, NEW_TOKENS, { mode: "plain" }));
    const prediction = corrupt(plain.text);
    return await fleet.ask({
      ...body(tokens, NEW_TOKENS, { mode }),
      prediction: { type: "content", content: prediction },
    });
  };
  const decode: number[] = [], total: number[] = [];
  let last: Measured | undefined;
  for (let i = 0; i < repeats; i++) {
    decode.push(tokensPerS(await measureOne(32)));
    last = await measureOne(260);
    total.push(last.totalS);
  }
  return {
    name,
    decode: middle(decode),
    endToEnd: middle(total),
    last,
    cpuS: cpu(await fleet.stats()) - before,
  };
}

/** A 512-token answer to a question, point by point. */
async function outline(fleet: Fleet, name: string, mode: string): Promise<Row> {
  const before = cpu(await fleet.stats());
  const speeds: number[] = [];
  let last: Measured | undefined;
  for (let i = 0; i < repeats; i++) {
    last = await fleet.ask({
      chat: true,
      messages: [{ role: "user", content: "How do I grow tomatoes on a balcony?" }],
      max_tokens: 512,
      temperature: 0,
      orrery: { mode, points: POINTS, ignore_eos: true },
    });
    speeds.push(last.tokens / last.totalS);
  }
  return { name, outline: middle(speeds), last, cpuS: cpu(await fleet.stats()) - before };
}

async function median(fleet: Fleet, ask: Ask, of: (m: Measured) => number): Promise<{ value: number; last: Measured }> {
  const values: number[] = [];
  let last: Measured | undefined;
  for (let i = 0; i < repeats; i++) {
    last = await fleet.ask(body(promptTokens(ask.prompt), ask.tokens, ask.orrery));
    values.push(of(last));
  }
  return { value: middle(values), last: last! };
}

function body(prompt: number[], tokens: number, orrery: Record<string, unknown>): Record<string, unknown> {
  return { model: "default", prompt, max_tokens: tokens, temperature: 0, orrery: { ignore_eos: true, ...orrery } };
}

/** Never the same prompt twice: a warm prefix would answer for nothing. */
function promptTokens(count: number): number[] {
  return Array.from({ length: count }, () => 300 + Math.floor(random() * 3000));
}

/** The text with one word in so many replaced. */
function corrupt(text: string): string {
  const rate = Number(args.acceptance);
  return text.split(/(?=word)/).map((w) => random() < rate ? w : `word${5000 + Math.floor(random() * 1000)}`).join("");
}

const tokensPerS = (m: Measured) => (m.tokens - 1) / (m.totalS - m.ttftS);
const cpu = (stats: { cpuS: number }[]) => stats.reduce((sum, s) => sum + s.cpuS, 0);

function middle(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function print(rows: Row[]): void {
  console.table(rows);
}

async function _svg(dir: string, name: string, text: string): Promise<void> {
  await writeFile(join(dir, name), text);
}

await main();
