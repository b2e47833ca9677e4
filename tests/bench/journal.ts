// deno-lint-ignore-file no-console -- it prints its table
/**
 * What journals cost: two clusters of two nodes, whose deployments differ in `journal` alone, are
 * asked by turns in one run. The second node of each keeps the copies.
 *
 *     deno task bench:journal [--clients 1,8] [--tokens 64] [--repeats 9] [--model NAME --data DIR]
 *     deno task bench:journal --records    # only the processor time of a token
 *
 * The ratios are medians over the pairs of a repeat, so that what else the machine does falls on both.
 *
 * @module
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seededRandom } from "../../actors/mod.ts";
import { NodeProcess } from "../support/processes.ts";
import { type LoadFigures, measureLoad, medianFigures, type Server } from "./load/clients.ts";
import { pidAt } from "./load/node_process.ts";
import { recordMicroseconds } from "./journal/records.ts";
import { alignRows, describeMachine, medianOf } from "./shared/figures.ts";
import { inTemporaryFolder } from "./shared/temporary_folder.ts";

/** Requests at each number of clients, at least. */
const LEAST_REQUESTS = 8;

const { values: args } = parseArgs({
  options: {
    clients: { type: "string", default: "1,8" },
    prompt: { type: "string", default: "128" },
    tokens: { type: "string", default: "64" },
    repeats: { type: "string", default: "9" },
    model: { type: "string", default: "embedded" },
    data: { type: "string" },
    records: { type: "boolean", default: false },
  },
});
const counts = args.clients.split(",").map(Number);
const [promptTokens, newTokens, repeats] = [args.prompt, args.tokens, args.repeats].map(Number);

/** A cluster of two nodes. */
async function startCluster(
  dir: string,
  journal: boolean,
  nodes: AsyncDisposableStack,
): Promise<Server> {
  const name = journal ? "journal" : "without";
  const graph = join(dir, `${name}.yaml`);
  await Deno.writeTextFile(graph, `model: ${args.model}\ndeployment: { journal: ${journal} }\n`);
  const data = args.data ?? join(dir, name);
  const first = nodes.use(NodeProcess.start([
    ...["--data", data, "--graph", graph, "--nodes", "2", "--threads", "1", "--name", "first"],
  ]));
  nodes.use(NodeProcess.start([
    ...["--data", join(dir, `${name}-2`), "--threads", "1", "--name", "second"],
    ...await first.join(),
  ]));
  await first.line(/^ready /);
  const url = await first.url();
  await answersIn(url, journal);
  const own = { orrery: { ignore_eos: true, mode: "plain" } };
  return { name, url, pid: await pidAt(url), own };
}

/** Waits until the cluster answers, and makes sure that its events have ids, or that they have none. */
async function answersIn(url: string, journal: boolean): Promise<void> {
  for (let left = 120;; left--) {
    const response = await fetch(`${url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ prompt: "a", max_tokens: 2, stream: true }),
    });
    const text = await response.text();
    if (response.ok && text.startsWith("id: ") === journal) return;
    if (left === 0) throw new Error(`the cluster does not answer as it should:\n${text}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

console.log(
  `a journalled token takes ${(await recordMicroseconds()).toFixed(0)} us of processor time, ` +
    "of both nodes together, the mailbox left out",
);
if (!args.records) await inTemporaryFolder(main);

async function main(dir: string): Promise<void> {
  console.log(
    `${describeMachine({ load: true })}; ${args.model}, ${promptTokens} + ${newTokens} tokens; ` +
      `medians of ${repeats}`,
  );
  await using nodes = new AsyncDisposableStack();
  const servers = [await startCluster(dir, false, nodes), await startCluster(dir, true, nodes)];
  const random = seededRandom(13);
  const load = { promptTokens, newTokens, random };
  const rows = [["clients", "", "tokens/s", "TTFT p50", "a token", "processor a token"]];
  for (const clients of counts) {
    const each = Math.ceil(LEAST_REQUESTS / clients);
    for (const server of servers) await measureLoad(server, { ...load, clients, each });
    const pairs: [LoadFigures, LoadFigures][] = [];
    for (let repeat = 0; repeat < repeats; repeat++) {
      // Which one goes first changes, as the machine may get slower or quicker meanwhile.
      const order = repeat % 2 === 0 ? [0, 1] : [1, 0];
      const pair: LoadFigures[] = [];
      for (const i of order) pair[i] = await measureLoad(servers[i], { ...load, clients, each });
      pairs.push(pair as [LoadFigures, LoadFigures]);
    }
    for (const i of [0, 1]) {
      const f = medianFigures(pairs.map((pair) => pair[i]));
      if (f.failed > 0) throw new Error(`${f.failed} requests failed: ${f.error}`);
      rows.push([
        ...[String(clients), servers[i].name, f.tokensPerS.toFixed(1)],
        ...[`${f.ttftP50.toFixed(1)} ms`, `${f.tpotP50.toFixed(2)} ms`],
        `${f.processorMs.toFixed(2)} ms`,
      ]);
    }
    const ratio = (of: (f: LoadFigures) => number) =>
      medianOf(pairs.map(([without, journal]) => of(journal) / of(without))).toFixed(3);
    rows.push([
      ...["", "ratio", ratio((f) => f.tokensPerS), ratio((f) => f.ttftP50)],
      ...[ratio((f) => f.tpotP50), ratio((f) => f.processorMs)],
    ]);
  }
  console.log(alignRows(rows, [0, 1]).join("\n"));
}
