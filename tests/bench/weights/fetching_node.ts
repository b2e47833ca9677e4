// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * A node that joins a cluster and fetches a model when it is told to, into a folder that it deletes
 * afterwards: `fetching_node.ts --host ADDRESS --data DIR --join HOST:PORT --token TOKEN`. It reads
 * {@linkcode FetchCommand}s as lines of JSON, and answers `"stop"` and the end of a fetch with a line
 * of {@linkcode Fetched}.
 *
 * @module
 */
import { createInterface } from "node:readline";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Deployment, weightsActor } from "../../../actors/mod.ts";
import { blobsOf, ModelStore } from "../../../models/mod.ts";
import { type Node, startNode } from "../../../runtime/node.ts";
import { NodeWeights, targetOf } from "../../../runtime/weights/mod.ts";

/** Starts a fetch. */
export interface FetchCommand {
  /** Ids of the nodes to fetch from. */
  sources: string[];
  /** `paced`: as nodes do. `before`: one chunk of 4 MiB after the other, from the first source. */
  way: "paced" | "before";
  /** Layers to fetch, both ends inclusive. @default the whole model */
  layers?: { first: number; last: number };
}

/** What was fetched until the fetch was over or stopped. */
export interface Fetched {
  bytes: number;
  seconds: number;
  error?: string;
}

const CHUNK_BYTES = 4 * 1024 * 1024;

/** Bytes of a store's blobs that are there, holes left out. */
async function bytesIn(dir: string): Promise<number> {
  let bytes = 0;
  for (const folder of ["blobs", "tmp"]) {
    for await (const { name } of Deno.readDir(`${dir}/${folder}`)) {
      const { blocks } = await Deno.stat(`${dir}/${folder}/${name}`);
      bytes += 512 * (blocks ?? 0);
    }
  }
  return bytes;
}

/** Fetches as earlier versions did: blob after blob, one chunk after the other, from one node. */
async function fetchBefore(
  { system }: Node,
  store: ModelStore,
  { source, model, signal }: { source: string; model: string; signal: AbortSignal },
): Promise<void> {
  const weights = system.get(weightsActor, source);
  const manifest = JSON.parse(await weights.manifest({ model }, { signal }));
  for (const { sha256 } of blobsOf(manifest)) {
    await using writer = await store.blobs.create();
    for (let offset = 0;; offset += CHUNK_BYTES) {
      const range = { sha256, offset, length: CHUNK_BYTES };
      const bytes = await weights.blob(range, { deadlineMs: 120_000, signal });
      if (!(bytes instanceof Uint8Array)) throw new Error("no bytes");
      await writer.write(bytes);
      if (bytes.length < CHUNK_BYTES) break;
    }
    await writer.finish();
  }
}

async function fetchInto(
  node: Node,
  deployment: Deployment,
  { dir, command: { sources, way, layers }, signal }: {
    dir: string;
    command: FetchCommand;
    signal: AbortSignal;
  },
): Promise<void> {
  const store = await ModelStore.open(dir);
  if (way === "before") {
    const { model } = deployment;
    return await fetchBefore(node, store, { source: sources[0], model, signal });
  }
  const weights = new NodeWeights({ system: node.system, store, running: () => node.running });
  await weights.ensure({
    ...targetOf(deployment),
    source: sources[0],
    members: sources,
    layers: layers ? [layers] : "all",
    parts: [],
    signal,
  });
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      host: { type: "string", default: "127.0.0.1" },
      data: { type: "string", default: "." },
      threads: { type: "string", default: "1" },
      join: { type: "string", default: "" },
      token: { type: "string" },
      "no-api-key": { type: "boolean" },
    },
  });
  const [host, port] = values.join.split(":");
  const node = await startNode({
    host: values.host,
    port: 0,
    mailboxPort: 0,
    data: values.data,
    threads: Number(values.threads),
    noApiKey: true,
    nodes: 1,
    token: values.token,
    join: { host, port: Number(port) },
    onServe: (deployment) => console.log(deployment ? "ready" : "not ready"),
  });
  console.log(`node ${node.id}`);
  let running: { abort: AbortController; done: Promise<void> } | undefined;
  for await (const line of createInterface({ input: process.stdin })) {
    const command: FetchCommand | "stop" = JSON.parse(line);
    running?.abort.abort(new Error("stopped"));
    await running?.done;
    running = undefined;
    if (command === "stop") continue;
    const abort = new AbortController();
    const { deployment } = await node.cluster();
    const dir = await Deno.makeTempDir({ prefix: "orrery-fetch-" });
    const began = performance.now();
    const fetching = fetchInto(node, deployment!, { dir, command, signal: abort.signal });
    let bytes = 0;
    const count = setInterval(async () => bytes = await bytesIn(dir).catch(() => bytes), 200);
    const done = fetching.then(() => undefined, String).then(async (error) => {
      clearInterval(count);
      if (!abort.signal.aborted) bytes = await bytesIn(dir);
      const fetched: Fetched = {
        bytes,
        seconds: (performance.now() - began) / 1000,
        ...(error && !abort.signal.aborted && { error }),
      };
      await Deno.remove(dir, { recursive: true });
      console.log(JSON.stringify(fetched));
    });
    running = { abort, done };
  }
  await node.close();
}
