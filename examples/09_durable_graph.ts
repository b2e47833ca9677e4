/**
 * Actors with a state around the model: a rate limit before it, and conversations that are
 * remembered. The node is stopped and started again in the middle, and neither forgets anything.
 *
 *     deno run -P=tools examples/09_durable_graph.ts
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
import { fileURLToPath } from "node:url";
import { parseGraph } from "@orrery/orrery/actors";
import { type Node, startNode } from "@orrery/orrery";

const file = fileURLToPath(import.meta.url); // modules are named relative to the graph: here, to this file
const graph = parseGraph(
  `
model: embedded
actors:
  custom:
    - { name: limit, module: ./graphs/rate_limit.ts, config: { per_minute: 0.1, burst: 3 }, expose: true }
    - { name: conversation, module: ./graphs/conversation.ts, config: { max_tokens: 12 }, expose: true, state: 256 KiB }
edges:
  - { from: api, to: limit }
  - { from: limit, to: generation }
`,
  { file },
);

async function start(): Promise<Node> {
  const ready = Promise.withResolvers<void>();
  const onServe = (deployment: unknown) => deployment && ready.resolve();
  const node = await startNode({
    ...{ host: "127.0.0.1", port: 0, mailboxPort: 0, nodes: 1, data: ".orrery/durable" },
    ...{ graph, graphFile: file, onServe },
  });
  await ready.promise;
  return node;
}

let node = await start();
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(node.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
const chat = () =>
  post("/v1/chat/completions", {
    messages: [{ role: "user", content: "Why does it rain?" }],
    max_tokens: 4,
  });
const say = async (text: string, key: string) => {
  const body = { type: "say", conversation: `run-${Deno.pid}`, text };
  return await (await post("/api/actors/conversation", body, { "idempotency-key": key })).json();
};

for (let i = 0; i < 2; i++) console.log("request", i + 1, (await chat()).status);
console.log("said", (await say("Why does it rain?", "one")).turns, "turns");
await node.close();

node = await start(); // a process that begins anew finds the same
console.log("request 3", (await chat()).status);
const refused = await chat();
console.log("request 4", refused.status, "retry after", refused.headers.get("retry-after"), "s");
console.log("said", (await say("And why is it wet?", "two")).turns, "turns");
await node.close();
console.log("next: deno test examples/graphs/conversation_test.ts tests such an actor alone");
