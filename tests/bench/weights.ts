// deno-lint-ignore-file no-console
/**
 * What fetching weights costs a running generation, and how quick it is from one, two and three
 * nodes: `deno task bench:weights`, options in docs/command-line.md. About 10 minutes.
 *
 * Four emulated devices with shaped links. Devices 1 and 2 run the made-up model of the 0.5B shape,
 * 12 layers each. Then, by turns in one run: a generation alone, one while weights are fetched as
 * nodes do it, and one while they are fetched as earlier versions did (one chunk of 4 MiB after the
 * other). Fetches are of two kinds: device 3, which computes nothing, fetches from the two that
 * compute; and device 2, which computes, fetches from devices 3 and 4, which do not. Last, without
 * requests and with device 4's own link unshaped, device 4 fetches from one, two and three others.
 *
 * @module
 */
import { mkdir } from "node:fs/promises";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { seededRandom } from "../../actors/mod.ts";
import { Emulation } from "./edge/emulation.ts";
import { Fleet } from "./edge/fleet.ts";
import { HALF_BILLION, prepareRandomModel } from "./edge/models.ts";
import {
  EDGE_OPTIONS,
  orUsage,
  periodOf,
  randomPrompt,
  repeatsOf,
  requireEmulation,
  someOf,
} from "./edge/options.ts";
import { alignRows, describeMachine, medianOf } from "./shared/figures.ts";
import type { FetchCommand, Fetched } from "./weights/fetching_node.ts";

const { values: args } = parseArgs({
  options: {
    ...EDGE_OPTIONS,
    /** Rate of the links in megabits a second. */
    mbit: { type: "string", default: "100" },
    /** Cores of each device. */
    cores: { type: "string", default: "0.45" },
    /** Which of {@linkcode PARTS} to measure, separated by commas. @default all */
    only: { type: "string" },
    /** Tokens of an answer that is timed. */
    tokens: { type: "string", default: "48" },
  },
});
const PROMPT_TOKENS = 16;
/** Milliseconds for which a fetch has run before an answer is timed. */
const WARM_MS = 1_000;
/** Layers that are fetched from one, two and three nodes: about 100 MB. */
const LAYERS = { first: 4, last: 15 };
const FETCH_MS = 600_000;
/** A fetch from devices that compute, one by a device that computes, and one from 1 to 3 devices. */
const PARTS = ["from", "by", "peers"];
const WAYS = ["none", "paced", "before"] as const;

const { repeats, mbit, cores, tokens, periodUs, parts } = orUsage(() => ({
  parts: args.only === undefined ? PARTS : someOf("--only", args.only, PARTS),
  repeats: repeatsOf(args),
  mbit: positive("--mbit", args.mbit),
  cores: positive("--cores", args.cores),
  tokens: positive("--tokens", args.tokens),
  periodUs: periodOf(args.period),
}));

function positive(option: string, given: string): number {
  if (Number(given) > 0) return Number(given);
  throw new Error(`${option} takes a number above 0, got "${given}"`);
}

await requireEmulation(args.emulation);
await mkdir(args.data, { recursive: true });
await prepareRandomModel(args.data, HALF_BILLION);
console.log(describeMachine({ load: true }));
console.log(`4 devices of ${cores} core, links of ${mbit} Mbit/s, quota period ${periodUs} us\n`);

const random = seededRandom(11);
await using emulation = await Emulation.up(4, { mbit, periodUs, script: args.emulation });
const program = fileURLToPath(new URL("./weights/fetching_node.ts", import.meta.url));
await using fleet = await Fleet.start(emulation, {
  cores: [cores, cores, cores, cores],
  data: args.data,
  first: ["--model", HALF_BILLION, "--draft", "none", "--layers", "0-11,12-23"],
  programs: { 1: program, 2: program, 3: program },
});
const ids = await nodeIds();

/** Ids of the nodes, in the order of the devices. */
async function nodeIds(): Promise<string[]> {
  const { nodes } = await fleet.json("/api/nodes") as {
    nodes: { node: string; address: string | null; state: string }[];
  };
  return [1, 2, 3, 4].map((device) =>
    nodes.find((n) => n.state !== "away" && n.address?.startsWith(`${emulation.address(device)}:`))!
      .node
  );
}

/** Starts a fetch at a device (from 1). */
const fetch = (device: number, command: FetchCommand) =>
  fleet.say(device - 1, JSON.stringify(command));

/** What was fetched until now, or by a fetch that ends by itself. */
async function fetched(device: number): Promise<Fetched> {
  const [line] = await fleet.next(device - 1, /^\{"bytes".*\}$/, FETCH_MS);
  const result: Fetched = JSON.parse(line);
  if (result.error) throw new Error(result.error);
  return result;
}

/** Times one answer: tokens a second after the first one, and seconds to the first. */
async function answer(): Promise<{ speed: number; ttft: number }> {
  const { tokens: count, totalS, ttftS } = await fleet.ask({
    model: "default",
    prompt: randomPrompt(random, PROMPT_TOKENS),
    max_tokens: tokens,
    temperature: 0,
    ignore_eos: true,
    orrery: { mode: "plain" },
  });
  return { speed: (count - 1) / (totalS - ttftS), ttft: ttftS };
}

interface Turn {
  speed: number;
  ttft: number;
  /** Megabytes a second that were fetched meanwhile. */
  fetching: number;
}

/** One turn: an answer while a device fetches, or alone. */
async function turn(
  way: typeof WAYS[number],
  device: number,
  sources: string[],
): Promise<Turn> {
  if (way === "none") return { ...await answer(), fetching: 0 };
  await fetch(device, { way, sources });
  await new Promise((resolve) => setTimeout(resolve, WARM_MS));
  const answered = await answer();
  await fleet.say(device - 1, '"stop"');
  const { bytes, seconds } = await fetched(device);
  return { ...answered, fetching: bytes / seconds / 1e6 };
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

await answer(); // the first one loads and warms
for (
  const [part, what, device, sources] of [
    ["from", "an idle device fetches from the two that compute", 3, [ids[0], ids[1]]],
    ["by", "a device that computes fetches from two idle ones", 2, [ids[2], ids[3]]],
  ] as const
) {
  if (!parts.includes(part)) continue;
  const turns: Record<string, Turn[]> = { none: [], paced: [], before: [] };
  for (let i = 0; i < repeats; i++) {
    for (const way of [...WAYS.slice(i % 3), ...WAYS.slice(0, i % 3)]) {
      turns[way].push(await turn(way, device, [...sources]));
    }
  }
  const median = (way: string, of: keyof Turn) => medianOf(turns[way].map((t) => t[of]));
  const alone = median("none", "speed");
  console.log(`${what} (medians of ${repeats})`);
  for (
    const line of alignRows([
      ["fetch", "tokens/s", "lost", "TTFT s", "fetched MB/s"],
      ...WAYS.map((way) => [
        way,
        median(way, "speed").toFixed(2),
        percent(1 - median(way, "speed") / alone),
        median(way, "ttft").toFixed(2),
        median(way, "fetching").toFixed(2),
      ]),
    ], [0])
  ) console.log(`  ${line}`);
  const each = WAYS.map((way) => `${way} ${turns[way].map((t) => t.speed.toFixed(2)).join(" ")}`);
  console.log(`  each turn: ${each.join(", ")}\n`);
}

if (parts.includes("peers")) await benchPeers();

/** Fetches from one, two and three nodes while nothing else is done. */
async function benchPeers(): Promise<void> {
  await emulation.unshape(4);
  const times: Record<string, number[]> = {};
  let bytes = 0;
  for (let i = 0; i < repeats; i++) {
    for (const n of [1, 2, 3]) {
      await fetch(4, { way: "paced", sources: ids.slice(0, n), layers: LAYERS });
      const result = await fetched(4);
      bytes = result.bytes;
      (times[n] ??= []).push(result.seconds);
    }
  }
  console.log(
    `${(bytes / 1e6).toFixed(0)} MB without requests, the fetching device's own link unshaped`,
  );
  for (
    const line of alignRows([
      ["from nodes", "s", "MB/s", "of the first"],
      ...[1, 2, 3].map((n) => {
        const s = medianOf(times[n]);
        return [
          String(n),
          s.toFixed(2),
          (bytes / s / 1e6).toFixed(1),
          (medianOf(times[1]) / s).toFixed(2),
        ];
      }),
    ])
  ) console.log(`  ${line}`);
}
