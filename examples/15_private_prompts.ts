/**
 * A redactor that no prompt passes unseen: an actor takes e-mail addresses and telephone numbers out
 * of every request, by whichever API it comes, before the model sees it.
 *
 *     deno run -P=tools examples/15_private_prompts.ts
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
    - { name: private, module: ./graphs/private.ts, expose: true }
    - { name: witness, module: ./graphs/witness.ts, expose: true } # to show what the model is told
edges:
  - { from: api, to: private } # requests: api -> private -> witness -> generation
  - { from: private, to: witness }
  - { from: witness, to: generation }
`,
  { file },
);

const ready = Promise.withResolvers<void>();
const node = await startNode({
  ...{ host: "127.0.0.1", port: 0, mailboxPort: 0, data: ".orrery", nodes: 1 },
  ...{ graph, graphFile: file },
  onServe: (deployment) => deployment && ready.resolve(),
});
await ready.promise;

const post = async (path: string, body: unknown) => {
  const headers = { "content-type": "application/json" };
  const response = await fetch(node.url + path, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(await response.text());
  return await response.json();
};
const content = "Write to ada@example.org or call +44 20 7946 0958: why does it rain?";
const messages = [{ role: "user", content }];

// The same request by three APIs: none goes around the actor.
await post("/v1/chat/completions", { messages, max_tokens: 4 });
await post("/v1/messages", { model: "default", messages, max_tokens: 4 });
await post("/v1/completions", { prompt: content, max_tokens: 4 });
console.log("a client says:    ", content);
console.log("the model is told:", (await post("/api/actors/witness", { type: "told" })).told);
console.log("private counts:   ", await post("/api/actors/private", { type: "counts" }));
await node.close();
console.log("next: deno task new actor mine writes such an actor, with its test");
