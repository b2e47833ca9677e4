/**
 * The first node is killed and a member is promoted, which needs nobody's vote but its own: two nodes,
 * of which one is a process. `promote_processes.ts` does it with more.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Deployment } from "../actors/mod.ts";
import { startNode } from "../runtime/node.ts";
import { writeProfiles } from "./support/known_profiles.ts";
import { NodeProcess } from "./support/processes.ts";
import { hasModel } from "./support/whole_model.ts";

/** Asks, and asks again after a 503, as clients do: a node may have been taken for dead meanwhile. */
const ask = async (url: string, signal = AbortSignal.timeout(60_000)): Promise<string> => {
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt: "The rain", max_tokens: 8, temperature: 0 }),
    signal,
  });
  const body = await response.json();
  if (response.status === 503) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    return await ask(url, signal);
  }
  assert.equal(response.status, 200, JSON.stringify(body));
  return body.choices[0].text;
};

Deno.test("POST /api/nodes/promote makes a member the first node once that was killed", async () => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(data, { recursive: true }));
  const [den, folder] = ["den", "attic"].map((name) => join(data, name));
  await writeProfiles([den, folder], { threads: 1 });
  const first = stack.use(NodeProcess.start(["--data", den, "--name", "den", "--threads", "1"]));
  const url = await first.ready(1);
  const [, address, , token] = await first.join();
  const [host, port] = address.split(":");
  const served = Promise.withResolvers<void>();
  const again = Promise.withResolvers<void>();
  const options = {
    data: folder,
    name: "attic",
    host: "127.0.0.1",
    port: 0,
    mailboxPort: 0,
    threads: 1,
    nodes: 1,
    voteAfterMs: 300,
    join: { host, port: Number(port) },
    token,
    onServe(deployment?: Deployment) {
      if (deployment) served.resolve();
      if (deployment?.stages.every(({ node }) => node.startsWith("attic"))) again.resolve();
    },
  };
  const attic = await startNode(options);
  stack.defer(() => attic.close({ deadlineMs: 1_000 }));
  await served.promise;
  const expected = await ask(url);
  assert.equal(await ask(attic.url), expected);
  const promote = (wait = 0) =>
    fetch(`${attic.url}/api/nodes/promote?wait_ms=${wait}`, { method: "POST" });

  const refused = await promote();
  assert.equal(refused.status, 409);
  const { error } = await refused.json();
  assert.equal(error.code, "not_promoted");
  assert.match(error.message, /the first node answers at 127\.0\.0\.1:\d+/);
  assert.equal(await attic.joinToken(), undefined);

  // A part of it has come with the answers; the rest is copied in the background.
  await hasModel(folder, den);
  first.kill("SIGKILL");
  await first.status();
  const made = await promote(20_000);
  assert.deepEqual([made.status, await made.json()], [200, { node: attic.id, epoch: 2 }]);
  await again.promise;
  assert.equal(await ask(attic.url), expected);
  assert.notEqual(await attic.joinToken(), undefined);
  const { nodes } = await (await fetch(`${attic.url}/api/nodes`)).json();
  assert.deepEqual(
    nodes.map((n: { name: string; state: string; first: boolean }) => [n.name, n.state, n.first]),
    [["attic", "serving", true], ["den", "away", false]],
  );
});
