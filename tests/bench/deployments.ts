// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * How long deployments take to come, to wake, to change and to move: `deno task bench:deployments`.
 *
 * Three nodes in processes of their own on this machine serve the embedded model; beside it a model is
 * applied, on the other two. Times are those of a client at the first node's API.
 *
 * @module
 */
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { z } from "zod";
import { NodeProcess } from "../support/processes.ts";
import { HALF_BILLION, prepareRandomModel } from "./edge/models.ts";
import { alignRows, describeMachine, medianOf } from "./shared/figures.ts";
import { inTemporaryFolder } from "./shared/temporary_folder.ts";

const help = `Measure how long deployments take to come, to wake, to change and to move.

Usage: deno task bench:deployments [options]

  --repeats N   times of each step, of which the median counts (default 3)
  --quick       the embedded model alone
  --data DIR    folder of the model with made-up weights, kept for the next run
  --json        print figures as JSON
  --help        print this

On a busy machine only ratios within one run mean anything.`;

const { values: args } = parseArgs({
  options: {
    repeats: { type: "string", default: "3" },
    quick: { type: "boolean", default: false },
    data: { type: "string", default: join(tmpdir(), "orrery-edge") },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const repeats = Number(args.repeats);

/** Name of the deployment. */
const NAME = "measured";
/** Milliseconds in which a step must be over. */
const PATIENCE_MS = 300_000;
/** Milliseconds between two looks at the deployment. */
const LOOK_MS = 10;

const rowSchema = z.object({
  copies: z.array(z.object({
    state: z.string(),
    id: z.string().optional(),
    loaded_ms: z.number().optional(),
    stages: z.array(z.object({ node: z.string() })),
  })),
  rolling: z.boolean(),
  rolled_back: z.string().optional(),
  graph: z.string().optional(),
});
type Row = z.infer<typeof rowSchema>;

/** Milliseconds of each step. */
type Times = Record<string, number>;

/** A cluster to which a model is applied. */
class Bench {
  readonly #url: string;
  readonly #model: string;

  constructor(url: string, model: string) {
    this.#url = url;
    this.#model = model;
  }

  /** The text of its graph file. */
  graph(more: Record<string, unknown> = {}): string {
    return JSON.stringify({
      model: this.#model,
      constraints: { exclude: ["first"] },
      deployment: { keep_warm: 1 },
      ...more,
    });
  }

  async #ask(path: string, method = "GET", body?: unknown): Promise<unknown> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  async row(): Promise<Row> {
    return rowSchema.parse(await this.#ask(`/api/deployments/${NAME}`));
  }

  /** Waits until it holds of the deployment. */
  async until(what: string, holds: (row: Row) => boolean): Promise<Row> {
    for (const end = performance.now() + PATIENCE_MS;;) {
      const row = await this.row();
      if (holds(row)) return row;
      if (performance.now() > end) throw new Error(`not within ${PATIENCE_MS} ms: ${what}`);
      await sleep(LOOK_MS);
    }
  }

  /** Applies a graph; milliseconds until it serves, or is rolled back. */
  async apply(graph: string): Promise<{ ms: number; row: Row }> {
    const began = performance.now();
    await this.#ask(`/api/deployments/${NAME}`, "PUT", { graph });
    const row = await this.until(
      "it serves, or is rolled back",
      ({ rolling, copies }) => !rolling && ["serving", "asleep"].includes(copies[0].state),
    );
    return { ms: performance.now() - began, row };
  }

  /** Milliseconds until it is said where a graph would be placed. */
  async plan(graph: string): Promise<number> {
    const began = performance.now();
    await this.#ask(`/api/deployments/${NAME}?dry_run=true`, "PUT", { graph });
    return performance.now() - began;
  }

  /** Milliseconds from a request to its first token. */
  async firstToken(): Promise<number> {
    const began = performance.now();
    const response = await fetch(`${this.#url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        ...{ model: NAME, prompt: [7, 8, 9, 10], max_tokens: 2, stream: true, temperature: 0 },
        orrery: { ignore_eos: true, mode: "plain" },
      }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    let first: number | undefined;
    let text = "";
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
      text += piece;
      if (first === undefined && text.includes('"text"')) first = performance.now() - began;
    }
    if (first === undefined) throw new Error(`no token came: ${text}`);
    return first;
  }

  /** Drains the node with the first layers; milliseconds until others have them. */
  async move(): Promise<number> {
    const [{ node }] = (await this.row()).copies[0].stages;
    const began = performance.now();
    await this.#ask(`/api/nodes/${encodeURIComponent(node)}/drain`, "POST", {});
    await this.until(
      "its layers moved",
      ({ copies: [{ state, stages }] }) =>
        state === "serving" && stages.every((stage) => stage.node !== node),
    );
    return performance.now() - began;
  }

  /** Milliseconds until it is deleted. */
  async delete(): Promise<number> {
    const began = performance.now();
    await this.#ask(`/api/deployments/${NAME}`, "DELETE");
    return performance.now() - began;
  }
}

/** Does something so often; the median of its milliseconds. */
async function several(step: (i: number) => Promise<number>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) times.push(await step(i));
  return medianOf(times);
}

/** All steps with one model; their times are noted as they come. */
async function measure(bench: Bench, times: Times): Promise<void> {
  const graph = bench.graph();
  times["first apply, nothing measured"] = (await bench.apply(graph)).ms;
  times["plan after nodes measured themselves"] = await bench.plan(graph);
  times["plan again"] = await several(() => bench.plan(graph));
  // Layers may move now that nodes have measured themselves: what follows must not meet that.
  await sleep(3_000);
  await bench.until(
    "nothing moves",
    ({ copies, rolling }) => !rolling && copies[0].state === "serving",
  );
  await bench.firstToken();
  times["first token, loaded"] = await several(() => bench.firstToken());
  const sleepy = { deployment: { keep_warm: 0, idle: "1 s" } };
  const policy = await bench.apply(bench.graph(sleepy));
  times["change of the policy alone"] = policy.ms;
  const loads: number[] = [];
  times["first token, asleep"] = await several(async () => {
    await bench.until("it sleeps", ({ copies }) => copies[0].state === "asleep");
    const ms = await bench.firstToken();
    const { loaded_ms } = (await bench.row()).copies[0];
    if (loaded_ms !== undefined) loads.push(loaded_ms);
    return ms;
  });
  times["of that, layers back"] = medianOf(loads);
  await bench.apply(graph);
  times["rollout of a changed file"] = await several(async (i) =>
    (await bench.apply(bench.graph({ workload: { output_tokens: 32 + i } }))).ms
  );
  const nowhere = { constraints: { exclude: ["first", "second", "third"] } };
  times["rollback of a file without a place"] = await several(async () => {
    const { ms, row } = await bench.apply(bench.graph(nowhere));
    if (row.rolled_back === undefined) throw new Error("it was not rolled back");
    return ms;
  });
  times["move, as its node is drained"] = await bench.move();
  times["delete"] = await bench.delete();
}

/**
 * A cluster of three nodes in processes, to which a model of the store in `data` is applied. Where a step
 * fails, those before it count, and the exit code is 1.
 */
async function withCluster(model: string, data: string): Promise<Times> {
  const times: Times = {};
  await using stack = new AsyncDisposableStack();
  const start = (name: string, ...more: string[]) =>
    stack.use(NodeProcess.start(["--name", name, "--data", data, ...more]));
  const first = start("first", "--nodes", "3", "--layers", "0-5");
  const joining = await first.join();
  for (const name of ["second", "third"]) start(name, ...joining);
  try {
    await measure(new Bench(await first.ready(1), model), times);
  } catch (error) {
    const done = Object.keys(times).length;
    console.error(`${model}, after ${done} steps: ${(error as Error).message}`);
    Deno.exitCode = 1;
  }
  return times;
}

async function main(dir: string): Promise<void> {
  const figures: Record<string, Times> = {};
  figures.embedded = await withCluster("embedded", join(dir, "embedded"));
  if (!args.quick) {
    await mkdir(args.data, { recursive: true });
    await prepareRandomModel(args.data, HALF_BILLION);
    figures[HALF_BILLION] = await withCluster(HALF_BILLION, args.data);
  }
  if (args.json) return console.log(JSON.stringify(figures, null, 2));
  console.log(describeMachine({ load: true }));
  const models = Object.keys(figures);
  const rows = [["ms", ...models, ...models.length > 1 ? ["ratio"] : []]];
  for (const step of Object.keys(figures.embedded)) {
    const values = models.map((model): number | undefined => figures[model][step]);
    const [one, two] = values;
    const ratio = one === undefined || two === undefined ? "-" : (two / one).toFixed(2);
    const cells = values.map((ms) => ms === undefined ? "-" : ms.toFixed(0));
    rows.push([step, ...cells, ...models.length > 1 ? [ratio] : []]);
  }
  for (const line of alignRows(rows, [0])) console.log(line.trimEnd());
}

if (args.help) console.log(help);
else if (!(Number.isInteger(repeats) && repeats >= 1 && repeats <= 100)) {
  console.error(`--repeats takes 1 to 100, got "${args.repeats}"`);
  Deno.exit(2);
} else await inTemporaryFolder(main);
