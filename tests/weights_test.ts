/**
 * Weights from anybody, with real nodes, mailboxes and stores: every node has a folder of its own.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Deployment, hasCode } from "../actors/mod.ts";
import { ModelStore } from "../models/mod.ts";
import { EMBEDDED, type Node, startNode } from "../runtime/node.ts";

/** Longest wait, in milliseconds. */
const PATIENCE_MS = 60_000;

async function until(over: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const late = performance.now() + PATIENCE_MS; !await over();) {
    assert.ok(performance.now() < late, `${what}: not in ${PATIENCE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Whether everything of a model is in the folder of a node. */
async function isWhole(data: string, model: string): Promise<boolean> {
  const store = await ModelStore.open(data);
  return await store.get(model).then(
    async () => (await store.verify(model)).length === 0,
    (error) => {
      if (hasCode(error, "model_not_found")) return false;
      throw error;
    },
  );
}

Deno.test("startNode() copies the models of its deployment, and a node that joins gets from there what the first node lacks", async () => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const folder = (name: string) => join(dir, name);
  const fetched = new Map<string, Set<string>>();
  let serving: Deployment | undefined;
  const start = async (name: string, join?: Node): Promise<Node> => {
    const node = await startNode({
      host: "127.0.0.1",
      port: 0,
      mailboxPort: 0,
      data: folder(name),
      name,
      threads: 1,
      nodes: 1,
      placement: "even",
      ...(join && { join: join.mailboxAddress, token: await join.joinToken() }),
      onServe: (deployment) => serving = deployment ?? serving,
      onFetch: (progress) => {
        if (!progress) return;
        const kind = progress.background ? "copy" : "fetch";
        fetched.set(name, (fetched.get(name) ?? new Set()).add(`${kind} ${progress.model}`));
      },
    });
    stack.defer(() => node.close({ deadlineMs: 2_000 }));
    return node;
  };
  const first = await start("first");
  await start("second", first);
  await until(() => serving?.stages.length === 2, "two nodes serve");
  for (const model of [EMBEDDED, serving!.draft!.model]) {
    await until(() => isWhole(folder("second"), model), `the second node has all of ${model}`);
  }
  assert.ok(fetched.get("second")!.has(`fetch ${EMBEDDED}`));
  assert.ok(fetched.get("second")!.has(`copy ${EMBEDDED}`));
  // The first node loses what the third will need: only the copy has it.
  const { manifest } = await (await ModelStore.open(folder("first"))).get(EMBEDDED);
  for (const { sha256 } of manifest.layers.slice(4)) {
    await Deno.remove(join(folder("first"), "blobs", sha256));
  }
  const third = await start("third", first);
  await until(() => serving?.stages.length === 3, "three nodes serve");
  assert.deepEqual(serving!.stages[2], { node: third.id, first: 4, last: 5 });
  const store = await ModelStore.open(folder("third"));
  for (const { sha256 } of manifest.layers.slice(4)) {
    assert.equal(await store.blobs.hash(sha256), sha256);
  }
  const request = { model: "default", prompt: "Why does it rain?", max_tokens: 8 };
  const response = await fetch(`${third.url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request),
  });
  assert.equal(response.status, 200, await response.text());
});
