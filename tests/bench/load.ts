// deno-lint-ignore-file no-console
/**
 * Many clients at one node: tokens a second, time to first token and processor time of a token at
 * 1, 8 and 32 clients. With `--base PATH` a node of another checkout is measured beside it, and
 * with `--peer URL` another OpenAI-compatible server (such as llama-server with `-np 32`), by turns
 * in the same run.
 *
 * The node runs in a process of its own, with the embedded model or one of a store. Each client
 * sends one request after the other; every prompt is new, of random tokens. `--url URL` measures a
 * node that runs already. The processor time is that of the server's process; the clients', which
 * share the machine, is shown beside it.
 *
 * @module
 */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { seededRandom } from "../../actors/mod.ts";
import { clientKey } from "../../runtime/access/mod.ts";
import { type LoadFigures, measureLoad, medianFigures, type Server } from "./load/clients.ts";
import { pidAt, startNode } from "./load/node_process.ts";
import { alignRows, describeMachine } from "./shared/figures.ts";
import { inTemporaryFolder } from "./shared/temporary_folder.ts";

/** Requests at each number of clients, at least. */
const LEAST_REQUESTS = 8;

const help = `Measure many clients at one node.

Usage: deno task bench:load [options]

  --clients 1,8,32  numbers of clients
  --prompt 128      tokens of a prompt
  --tokens 64       tokens of an answer
  --each N          requests of each client (default: so many that there are ${LEAST_REQUESTS} in all)
  --repeats 3       how often each load is measured; medians count
  --model NAME      model of the store in --data (default: the embedded model)
  --data DIR        the node's folder (default: a temporary one)
  --threads N       threads of the node's engine
  --mode plain      mode of the requests
  --base PATH       measure a node of another checkout as well
  --url URL         measure this node instead of starting one
  --api-key-file F  a file with the key of our nodes (default: the variable ORRERY_API_KEY, if it is set)
  --peer URL        measure this server as well
  --json            print figures as JSON
  --help            print this`;

const { values: args } = parseArgs({
  options: {
    clients: { type: "string", default: "1,8,32" },
    prompt: { type: "string", default: "128" },
    tokens: { type: "string", default: "64" },
    each: { type: "string" },
    repeats: { type: "string", default: "3" },
    threads: { type: "string" },
    model: { type: "string" },
    data: { type: "string" },
    mode: { type: "string", default: "plain" },
    base: { type: "string" },
    url: { type: "string" },
    "api-key-file": { type: "string" },
    peer: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const counts = args.clients.split(",").map(Number);
const [promptTokens, newTokens, repeats] = [args.prompt, args.tokens, args.repeats].map(Number);
const each = args.each === undefined ? undefined : Number(args.each);

if (args.help) console.log(help);
else if (
  ![...counts, promptTokens, newTokens, repeats, each ?? 1].every((n) =>
    Number.isInteger(n) && n > 0
  )
) {
  console.error(
    "error: --clients, --prompt, --tokens, --each and --repeats take whole numbers above 0",
  );
  Deno.exit(2);
} else await inTemporaryFolder(main);

async function main(dir: string): Promise<void> {
  if (!args.json) {
    console.log(
      `${describeMachine({ load: true })}; ${args.model ?? "the embedded model"}, ` +
        `${promptTokens} + ${newTokens} tokens, mode ${args.mode}; medians of ${repeats}`,
    );
  }
  await using nodes = new AsyncDisposableStack();
  const servers = await serversIn(dir, nodes);
  const random = seededRandom(11);
  const load = { promptTokens, newTokens, random };
  // Code is compiled, and frames of each size are tried, before anything counts.
  for (const server of servers) {
    for (const clients of new Set([1, ...counts])) {
      await measureLoad(server, { ...load, clients, each: 1 });
    }
  }
  const all: LoadFigures[] = [];
  for (const clients of counts) {
    const found = servers.map((): LoadFigures[] => []);
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (const [i, server] of servers.entries()) {
        const requests = each ?? Math.ceil(LEAST_REQUESTS / clients);
        found[i].push(await measureLoad(server, { ...load, clients, each: requests }));
      }
    }
    all.push(...found.map(medianFigures));
  }
  if (args.json) return console.log(JSON.stringify(all));
  const cells = all.map((f) => [
    f.server,
    String(f.clients),
    f.tokensPerS.toFixed(1),
    `${f.ttftP50.toFixed(0)} ms`,
    `${f.ttftP99.toFixed(0)} ms`,
    `${f.tpotP50.toFixed(1)} ms`,
    Number.isNaN(f.processorMs) ? "-" : `${f.processorMs.toFixed(2)} ms`,
    `${f.clientMs.toFixed(2)} ms`,
    f.failed > 0 ? `${f.failed} of ${f.requests} failed: ${f.error}` : "",
  ]);
  const titles = ["server", "clients", "tokens/s", "TTFT p50", "p99", "a token", "processor"];
  console.log(alignRows([[...titles, "clients'", ""], ...cells], [0, 8]).join("\n"));
}

/** The servers to measure; those that are started are stopped with `nodes`. */
async function serversIn(dir: string, nodes: AsyncDisposableStack): Promise<Server[]> {
  const key = clientKey(args["api-key-file"]); // never sent to the peer
  // Answers to random tokens are much alike: drafts would be looked up in earlier ones.
  const drafts = args.mode !== "plain";
  const own = { orrery: { ignore_eos: true, mode: args.mode, ...(drafts && { reuse: false }) } };
  const start = async (name: string, root: string): Promise<Server> => {
    const options = [
      ...["--data", args.data ?? join(dir, name)],
      ...(args.model === undefined ? [] : ["--model", args.model]),
      ...(args.threads === undefined ? [] : ["--threads", args.threads]),
    ];
    const { url, pid } = nodes.use(await startNode({ root, options }));
    return { name, url, pid, own, key };
  };
  const running = async (name: string, url: string, more: Pick<Server, "own" | "key">) => ({
    name,
    url,
    pid: await pidAt(url),
    ...more,
  });
  return [
    ...(args.base ? [await start("base", resolve(args.base))] : []),
    args.url
      ? await running("orrery", args.url, { own, key })
      : await start("orrery", fileURLToPath(new URL("../../", import.meta.url))),
    ...(args.peer
      ? [await running("peer", args.peer, { own: { ignore_eos: true, cache_prompt: false } })]
      : []),
  ];
}
