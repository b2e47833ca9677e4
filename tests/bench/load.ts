// deno-lint-ignore-file no-console
/**
 * Many clients at one node: tokens a second and time to first token at 1, 8 and 32 clients, and
 * with `--peer URL` the same of another OpenAI-compatible server (such as llama-server with `-np
 * 32`) beside it, by turns in the same run.
 *
 *     deno task bench:load [--clients 1,8,32] [--prompt 128] [--tokens 64] [--threads N]
 *       [--model NAME --data DIR] [--mode plain] [--peer URL] [--json]
 *
 * A node is started in a process of its own, with the embedded model or one of a store. Each client
 * sends one request after the other; every prompt is new, of random tokens. `--url URL` measures a
 * node that runs already.
 *
 * @module
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { seededRandom } from "../../actors/mod.ts";
import { type ClientMeasurement, measure } from "./edge/client.ts";
import { randomPrompt } from "./edge/options.ts";
import { alignRows, describeMachine } from "./shared/figures.ts";
import { inTemporaryFolder } from "./shared/temporary_folder.ts";

/** Requests at each number of clients, at least. */
const LEAST_REQUESTS = 8;
/** Longest time for one request, in milliseconds. */
const REQUEST_MS = 300_000;
/** Longest time until the node answers, in milliseconds. */
const START_MS = 120_000;

const { values: args } = parseArgs({
  options: {
    clients: { type: "string", default: "1,8,32" },
    prompt: { type: "string", default: "128" },
    tokens: { type: "string", default: "64" },
    threads: { type: "string" },
    model: { type: "string" },
    data: { type: "string" },
    mode: { type: "string", default: "plain" },
    url: { type: "string" },
    peer: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const counts = args.clients.split(",").map(Number);
const [promptTokens, newTokens] = [Number(args.prompt), Number(args.tokens)];
for (const n of [...counts, promptTokens, newTokens]) {
  if (Number.isInteger(n) && n > 0) continue;
  console.error("error: --clients, --prompt and --tokens take whole numbers above 0");
  Deno.exit(2);
}
const random = seededRandom(11);

/** A server, and how its requests look. */
interface Server {
  name: string;
  url: string;
  /** Fields of the request that this server has of its own. */
  own: Record<string, unknown>;
}

/** What was measured with a number of clients. */
interface LoadFigures {
  server: string;
  clients: number;
  tokensPerS: number;
  /** Milliseconds. */
  ttftP50: number;
  ttftP99: number;
  /** Requests that were answered, and that failed. */
  requests: number;
  failed: number;
}

await inTemporaryFolder(async (dir) => {
  console.log(
    `${describeMachine({ load: true })}; ${args.model ?? "the embedded model"}, ` +
      `${promptTokens} + ${newTokens} tokens, mode ${args.mode}`,
  );
  await using node = args.url === undefined ? await startNode(dir) : undefined;
  const servers: Server[] = [{
    name: "orrery",
    url: args.url ?? node!.url,
    own: { orrery: { ignore_eos: true, mode: args.mode } },
  }];
  if (args.peer !== undefined) {
    servers.push({ name: "peer", url: args.peer, own: { ignore_eos: true, cache_prompt: false } });
  }
  for (const server of servers) await load(server, 1); // the first frames are slower
  const all: LoadFigures[] = [];
  for (const clients of counts) {
    for (const server of servers) all.push(await load(server, clients));
  }
  if (args.json) return console.log(JSON.stringify(all));
  const cells = all.map((f) => [
    f.server,
    String(f.clients),
    f.tokensPerS.toFixed(1),
    `${f.ttftP50.toFixed(0)} ms`,
    `${f.ttftP99.toFixed(0)} ms`,
    f.failed > 0 ? `${f.failed} of ${f.requests} failed` : "",
  ]);
  const titles = ["server", "clients", "tokens/s", "TTFT p50", "p99", ""];
  console.log(alignRows([titles, ...cells], [0, 5]).join("\n"));
});

/** Lets so many clients send their requests, and measures. */
async function load({ name, url, own }: Server, clients: number): Promise<LoadFigures> {
  const each = Math.ceil(LEAST_REQUESTS / clients);
  const measured: ClientMeasurement[] = [];
  const started = performance.now();
  await Promise.all(Array.from({ length: clients }, async () => {
    for (let i = 0; i < each; i++) {
      const body = {
        model: "default",
        prompt: randomPrompt(random, promptTokens),
        max_tokens: newTokens,
        temperature: 0,
        ...own,
      };
      measured.push(
        await measure({ url: `${url}/v1/completions`, body, timeoutMs: REQUEST_MS }),
      );
    }
  }));
  const seconds = (performance.now() - started) / 1000;
  const failed = measured.filter((m) => m.error !== undefined);
  if (failed.length > 0) console.log(`${name}, ${clients} clients: ${failed[0].error}`);
  const ttft = measured.map((m) => 1000 * m.ttftS).filter((ms) => !Number.isNaN(ms))
    .sort((a, b) => a - b);
  return {
    server: name,
    clients,
    tokensPerS: measured.reduce((n, m) => n + m.tokens, 0) / seconds,
    ttftP50: ttft[ttft.length >> 1] ?? NaN,
    ttftP99: ttft[Math.ceil(0.99 * ttft.length) - 1] ?? NaN,
    requests: measured.length,
    failed: failed.length,
  };
}

/** Starts a node in a process of its own, and waits until it answers. */
async function startNode(dir: string): Promise<AsyncDisposable & { url: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-q", "-P=launch", "--no-prompt"],
      ...["--config", fileURLToPath(new URL("../../deno.json", import.meta.url))],
      fileURLToPath(new URL("../../runtime/cli/launch.ts", import.meta.url)),
      ...["--port", "0", "--mailbox-port", "0", "--data", args.data ?? join(dir, "data")],
      ...(args.model === undefined ? [] : ["--model", args.model]),
      ...(args.threads === undefined ? [] : ["--threads", args.threads]),
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const stop = async () => {
    child.kill("SIGTERM");
    await child.status;
  };
  const timer = setTimeout(() => child.kill("SIGKILL"), START_MS);
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`the node ended before it answered:\n${said}`);
      said += value;
      const url = /API\S*\s+(http:\S+)\/v1/.exec(said)?.[1];
      if (!url || !/ready\S*\s+\S+: /.test(said)) continue;
      void (async () => {
        while (!(await reader.read()).done); // a full pipe would stop the node
      })();
      return { url, [Symbol.asyncDispose]: stop };
    }
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
