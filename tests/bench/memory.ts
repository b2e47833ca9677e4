// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * Resident memory of nodes by part: `deno task bench:memory [--quick] [--data DIR]` for the
 * embedded model, and `--model half-billion|one-billion [--nodes 4] [--peer COMMAND]` for stages
 * with real weights beside a peer's. Linux only.
 *
 * Each figure is read twice: at once, and when the node has rested until its memory no longer
 * changes.
 *
 * @module
 */
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { seededRandom } from "../../actors/mod.ts";
import { clientKey, keyHeaders } from "../../runtime/access/mod.ts";
import { NodeProcess, startCluster } from "../support/processes.ts";
import { prepareRandomModel, RANDOM_MODELS } from "./edge/models.ts";
import { oneOf, orUsage, randomPrompt } from "./edge/options.ts";
import { askPeer } from "./edge/peer.ts";
import { type MemoryParts, PARTS, partsOf, totalOf } from "./memory/parts.ts";
import { alignRows, describeMachine } from "./shared/figures.ts";
import { say } from "./shared/progress.ts";
import { inTemporaryFolder } from "./shared/temporary_folder.ts";

const { values: args } = parseArgs({
  options: {
    /** 200 requests in place of 1000, and a shorter wait for nodes that do not come to rest. */
    quick: { type: "boolean", default: false },
    /** A model with made-up weights. @default the embedded model */
    model: { type: "string" },
    /** Nodes that share the layers of `--model`. */
    nodes: { type: "string", default: "1" },
    /** Command that measures a peer, see `edge/peer.ts`. @default none */
    peer: { type: "string" },
    /** Folder of the made-up models, which are kept for the next run. */
    data: { type: "string", default: join(tmpdir(), "orrery-edge") },
    /** File with the key of the nodes in `--data`. @default the variable ORRERY_API_KEY */
    "api-key-file": { type: "string" },
  },
});

/** Requests after which memory is read. */
const REQUESTS = [50, args.quick ? 200 : 1000];
/** Requests under way at a time. */
const CLIENTS = 4;
/**
 * Milliseconds between two readings, of which this many must agree within so many bytes: 15 s, since a
 * node looks every 5 s whether it has memory to give back, and does so only if it was idle since the last
 * look.
 */
const READ_MS = 3_000;
const STEADY = { readings: 6, bytes: 3e6 };
/** Longest wait for a node to come to rest, in milliseconds. */
const REST_MS = args.quick ? 45_000 : 90_000;
/** Longest time for a request, in milliseconds. */
const REQUEST_MS = 90_000;
/** Longest time for the peer, in milliseconds. */
const PEER_MS = 600_000;
const PROMPT = 512;
const NEW_TOKENS = 32;

const key = clientKey(args["api-key-file"]);
const columns = ["total", ...PARTS];
const rows: string[][] = [["MB", "", ...columns]];

async function readParts(node: NodeProcess): Promise<MemoryParts> {
  return partsOf(await Deno.readTextFile(`/proc/${node.pid}/smaps`));
}

/**
 * Waits until the memory of a node no longer changes, or for {@linkcode REST_MS}; `steady`: it came to
 * rest in that time.
 */
async function rested(node: NodeProcess): Promise<{ steady: boolean; parts: MemoryParts }> {
  const deadline = performance.now() + REST_MS;
  const last: number[] = [];
  for (;;) {
    const parts = await readParts(node);
    last.push(totalOf(parts));
    const recent = last.slice(-STEADY.readings);
    const steady = recent.length === STEADY.readings &&
      Math.max(...recent) - Math.min(...recent) <= STEADY.bytes;
    if (steady || performance.now() > deadline) return { steady, parts };
    await new Promise((resolve) => setTimeout(resolve, READ_MS));
  }
}

/** Adds two rows to the table: a node's memory at once, and after a rest. */
async function note(what: string, node: NodeProcess): Promise<void> {
  const line = (when: string, parts: MemoryParts) => {
    const bytes = [totalOf(parts), ...PARTS.map((part) => parts[part])];
    rows.push([what, when, ...bytes.map((n) => (n / 1e6).toFixed(0))]);
  };
  line("at once", await readParts(node));
  say(`${what}: until its memory rests, at most ${REST_MS / 1000} s`);
  const { steady, parts } = await rested(node);
  line(steady ? "rested" : `after ${REST_MS / 1000} s, not at rest`, parts);
}

async function post(url: string, path: string, body: Record<string, unknown>): Promise<void> {
  const response = await fetch(`${url}/v1/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...keyHeaders(key) },
    body: JSON.stringify({ model: "default", temperature: 0, ...body }),
    signal: AbortSignal.timeout(REQUEST_MS),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status}: ${text}`);
}

/**
 * Sends short questions, each another one, from number `from` until number `to`. With `reuse` the
 * node keeps the KV of their prompts, as it does unless told otherwise.
 */
async function askMany(
  url: string,
  { from, to, reuse }: { from: number; to: number; reuse: boolean },
): Promise<void> {
  let next = from;
  await Promise.all(Array.from({ length: CLIENTS }, async () => {
    while (next < to) {
      const content = `Why does it rain? (${next++})`;
      await post(url, "chat/completions", {
        messages: [{ role: "user", content }],
        max_tokens: 4,
        orrery: { mode: "plain", reuse },
      });
    }
  }));
}

/** Notes the memory of a node of the embedded model after requests. */
async function noteRequests(node: NodeProcess, reuse: boolean): Promise<void> {
  const url = await node.url();
  let asked = 0;
  for (const requests of REQUESTS) {
    say(`requests ${asked + 1} to ${requests}`);
    await askMany(url, { from: asked, to: asked = requests, reuse });
    await note(`first node, ${requests} requests${reuse ? "" : ", no KV kept"}`, node);
  }
}

/**
 * The embedded model: a first node, the same after requests, one that has joined, and a first node
 * whose requests ask for their KV not to be kept.
 */
async function measureEmbedded(dir: string): Promise<void> {
  {
    say("a first node starts");
    await using forgetful = NodeProcess.start(["--data", join(dir, "forgetful")]);
    await forgetful.ready(1);
    await noteRequests(forgetful, false);
  }
  say("another first node starts");
  await using first = NodeProcess.start(["--data", join(dir, "first")]);
  await first.ready(1);
  await note("first node, no request", first);
  await noteRequests(first, true);
  // Last, since layers or drafts may move to a node that joins, and requests would fail when it ends.
  const options = ["--data", join(dir, "joined"), ...await first.join()];
  say("a node joins it");
  await using joined = NodeProcess.start(options);
  await joined.line(/^ready/);
  await note("joined node", joined);
}

/** Nodes that share a model's layers, after a prompt and a short answer. */
async function measureModel(model: string, nodes: number): Promise<void> {
  await mkdir(args.data, { recursive: true });
  say(`${model}: its weights are made up, if ${args.data} has none`);
  await prepareRandomModel(args.data, model);
  say(`${nodes} nodes start`);
  await using cluster = await startCluster(nodes, args.data, ["--model", model]);
  const random = seededRandom(5);
  say(`a prompt of ${PROMPT} tokens and ${NEW_TOKENS} more`);
  await post(cluster.url, "completions", {
    prompt: randomPrompt(random, PROMPT),
    max_tokens: NEW_TOKENS,
    orrery: { ignore_eos: true, mode: "plain" },
  });
  for (const [i, node] of cluster.nodes.entries()) await note(`${model}, node ${i + 1}`, node);
}

/** What the peer takes for the same model on one device. */
async function measurePeer(command: string, model: string): Promise<void> {
  const answer = await askPeer(command, {
    fleet: { name: "this machine", cores: [1], mbit: 1000, period_us: 10_000 },
    devices: [{ address: "127.0.0.1", command: ["env"], env: {} }],
    model: { name: model, data: resolve(args.data), shape: RANDOM_MODELS[model] },
    measure: {
      ttft_prompts: [],
      decode: { prompt: 32, tokens: 8 },
      request: { prompt: PROMPT, tokens: NEW_TOKENS },
    },
    repeats: 1,
  }, AbortSignal.timeout(PEER_MS));
  for (const { name, resident_bytes = [] } of answer.rows) {
    for (const bytes of resident_bytes) {
      rows.push([`${answer.peer}, ${name}`, "at once", (bytes / 1e6).toFixed(0)]);
    }
  }
  for (const line of answer.notes) console.log(`${answer.peer}: ${line}`);
}

const models = Object.keys(RANDOM_MODELS);
const { model, nodes } = orUsage(() => {
  if (Deno.build.os !== "linux") throw new Error("bench:memory reads /proc, which Linux alone has");
  const nodes = Number(args.nodes);
  if (!(Number.isInteger(nodes) && nodes >= 1 && nodes <= 16)) {
    throw new Error(`--nodes takes 1 to 16, got "${args.nodes}"`);
  }
  return { model: args.model && oneOf("--model", args.model, models), nodes };
});
console.log(describeMachine());
if (model === undefined) await inTemporaryFolder(measureEmbedded);
else {
  await measureModel(model, nodes);
  if (args.peer !== undefined) await measurePeer(args.peer, model);
}
const widest = rows[0].length;
const cells = rows.map((row) => [...row, ...Array<string>(widest - row.length).fill("")]);
for (const line of alignRows(cells, [0, 1])) console.log(line.trimEnd());
