// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * Where the time of a prompt goes, by the rows of its pieces: `deno task bench:prefill`, options in
 * docs/command-line.md.
 *
 * On emulated devices of 0.45 core with links of 1000 Mbit/s. For each size of piece: TTFT, the
 * milliseconds that each stage computed on a piece, and the milliseconds between one piece's end and
 * the next one's beginning at the slowest stage, in which it waited or did other work. At last the
 * same prompts with the pieces of the plan.
 *
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seededRandom } from "../../../actors/mod.ts";
import type { Plan } from "../../../planner/mod.ts";
import { medianOf } from "../shared/figures.ts";
import { Emulation } from "./emulation.ts";
import { Fleet } from "./fleet.ts";
import { HALF_BILLION, prepareRandomModel } from "./models.ts";
import { EDGE_OPTIONS, randomPrompt, requireEmulation } from "./options.ts";

const { values: args } = parseArgs({
  options: {
    ...EDGE_OPTIONS,
    fleet: { type: "string", default: "4" },
    rows: { type: "string", default: "16,32,64,128,256" },
    prompts: { type: "string", default: "512" },
  },
});
const random = seededRandom(5);

/** A frame of `/api/trace`, as far as it is looked at. Times in milliseconds. */
interface TracedFrame {
  kinds: { prefill: number };
  stages: { began: number; ended: number }[];
}

/** One prompt, with a line of figures. */
async function measure(fleet: Fleet, prompt: number, piece_rows?: number): Promise<void> {
  const { ttftS } = await fleet.ask({
    model: "default",
    prompt: randomPrompt(random, prompt),
    max_tokens: 1,
    temperature: 0,
    orrery: {
      ignore_eos: true,
      mode: "plain",
      route: "pipeline",
      ...(piece_rows && { piece_rows }),
    },
  });
  const newest = await fleet.json("/api/trace?last=256") as TracedFrame[];
  const frames = piecesOf(newest, prompt);
  const stages = frames[0].stages.map((_, i) => {
    const spans = frames.map((f) => f.stages[i]);
    const busy = spans.map((s) => s.ended - s.began);
    const gaps = spans.slice(1).map((s, k) => s.began - spans[k].ended);
    return { busy, gap: gaps.length ? medianOf(gaps) : 0 };
  });
  const totals = stages.map((s) => s.busy.reduce((a, b) => a + b, 0));
  const slowest = totals.indexOf(Math.max(...totals));
  console.log(
    `${String(prompt).padStart(5)} in ${String(frames.length).padStart(2)}, ` +
      `${piece_rows ?? "planned"} rows: TTFT ${ttftS.toFixed(2)} s; computed ${
        totals.map((t) => (t / 1000).toFixed(2)).join(" / ")
      } s, a piece ${stages.map((s) => medianOf(s.busy).toFixed(0)).join(" / ")} ms, gap ${
        stages[slowest].gap.toFixed(1)
      } ms at stage ${slowest}`,
  );
}

/** The newest frames that together carried the prompt. */
function piecesOf(traces: TracedFrame[], prompt: number): TracedFrame[] {
  const frames: TracedFrame[] = [];
  for (let rows = 0; rows < prompt;) {
    const frame = traces.pop();
    if (!frame) break;
    rows += frame.kinds.prefill;
    frames.unshift(frame);
  }
  return frames;
}

await requireEmulation(args.emulation);
await mkdir(args.data, { recursive: true });
await prepareRandomModel(args.data, HALF_BILLION);
for (const devices of args.fleet.split(",").map(Number)) {
  await using emulation = await Emulation.up(devices, {
    mbit: 1000,
    periodUs: Number(args.period),
    script: args.emulation,
  });
  const graph = join(args.data, "prefill.yaml");
  const workload = "{ prompt_tokens: 512, output_tokens: 64, branches: 8 }";
  await writeFile(graph, `model: ${HALF_BILLION}\nworkload: ${workload}\n`);
  await using fleet = await Fleet.start(emulation, {
    cores: new Array<number>(devices).fill(0.45),
    data: args.data,
    first: ["--graph", graph],
  });
  if (devices > 1) {
    const plan = await fleet.json("/api/plan") as Plan;
    const layers = plan.stages.map((s) => `${s.first_layer}-${s.last_layer}`).join(" ");
    console.log(
      `${devices} devices: layers ${layers}; predicted ${
        plan.piece_buckets.filter((b) => [512, 1024].includes(b.prompt_tokens)).map((b) =>
          `${b.prompt_tokens}: ${b.ttft_s.toFixed(2)} s in ${b.rows.join(" ")}`
        ).join("; ")
      }`,
    );
  }
  await fleet.ask({ model: "default", prompt: randomPrompt(random, 32), max_tokens: 4 });
  for (const prompt of args.prompts.split(",").map(Number)) {
    for (const rows of args.rows.split(",").filter(Boolean).map(Number)) {
      await measure(fleet, prompt, rows);
    }
    await measure(fleet, prompt);
  }
}
