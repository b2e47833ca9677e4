/**
 * Actors of one's own before and behind the model: a graph names their modules, and they may do
 * nothing that it does not grant.
 *
 *     deno run -P=tools examples/06_custom_actor.ts
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
import { fileURLToPath } from "node:url";
import { parseGraph } from "@orrery/orrery/actors";
import { startNode } from "@orrery/orrery";

const file = fileURLToPath(import.meta.url); // modules are named relative to the graph: here, to this file
const graph = parseGraph(
  `
model: embedded
actors:
  custom:
    - { name: guard, module: ./graphs/guard.ts, config: { forbidden: [volcano], most_tokens: 40 }, expose: true }
    - { name: redact, module: ./graphs/redact.ts, config: { words: [rain, water] } }
edges:
  - { from: api, to: guard }          # requests: api -> guard -> generation
  - { from: guard, to: generation }
  - { from: generation, to: redact }  # text: generation -> redact -> api
  - { from: redact, to: api }
`,
  { file },
);

const ready = Promise.withResolvers<void>();
const onServe = (deployment: unknown) => deployment && ready.resolve();
const node = await startNode({
  host: "127.0.0.1",
  port: 0,
  mailboxPort: 0,
  data: ".orrery",
  nodes: 1,
  graph,
  graphFile: file,
  onServe,
});
await ready.promise;

const post = async (path: string, body: unknown) => {
  const headers = { "content-type": "application/json" };
  return await (await fetch(node.url + path, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  })).json();
};
const chat = (content: string) =>
  post("/v1/chat/completions", { messages: [{ role: "user", content }], temperature: 0 });

console.log((await chat("Why does it rain?")).choices[0].message.content.trim());
console.log("refused:", (await chat("What is a volcano?")).error);
console.log("the guard says:", await post("/api/actors/guard", { type: "refused" }));
await node.close();
console.log("next: deno task new actor mine writes such an actor, with its test");
