/**
 * With a registry that several nodes open another one takes over when the coordinator is gone, and
 * nobody starts them anew.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { askAll, assertSame } from "./support/compare_answers.ts";
import { ETCD, EtcdCluster } from "./support/etcd_server.ts";
import type { NodeProcess } from "./support/processes.ts";
import { runCommand } from "./support/run_command.ts";
import {
  coordinator,
  FIRST,
  loads,
  prompts,
  stream,
  TakeoverNodes,
  threeMembers,
  until,
} from "./support/takeover.ts";

/** Milliseconds of a server's lease. */
const LEASE_MS = 2_000;

const why = ETCD ? "" : " (skipped: there is no etcd on the PATH)";

Deno.test({
  name:
    `deno task start --registry etcd:// goes on when the coordinator is killed or stopped${why}`,
  ignore: ETCD === undefined,
}, async (t) => {
  await using etcd = await EtcdCluster.start(1);
  await using nodes = await TakeoverNodes.open();
  const registry = ["--registry", etcd.url(), "--nodes", "3"];
  let a = nodes.server(FIRST, registry);
  await a.line(/this node coordinates, term 1/);
  const [b, c] = ["b", "c"].map((name) => nodes.server(name, registry));
  for (const node of [a, b, c]) await node.ready(1);
  const urls = [await b.url(), await c.url()];
  const expected = await askAll(urls[0], prompts);
  const loaded = [b, c].map(loads);
  let left: NodeProcess[] = [];

  await t.step("killed: another coordinates, and nothing else changes", async () => {
    const streams = await Promise.all(urls.map(stream));
    a.kill("SIGKILL");
    await coordinator([b, c]);
    for (const url of urls) assertSame(await askAll(url, prompts), expected, "after a takeover");
    for (const { done } of streams) assert.equal(await done, "data: [DONE]");
    assert.deepEqual([b, c].map(loads), loaded, "nothing was loaded anew");
  });
  await t.step("the killed one comes back and is one row", async () => {
    a = nodes.server(FIRST, registry);
    await a.ready(1);
    assert.deepEqual(await threeMembers([a, b, c]), ["a", "b", "c"]);
    assertSame(await askAll(await a.url(), prompts), expected, "at the node that came back");
  });
  await t.step("stopped: its layers and its task go to others", async () => {
    const first = await coordinator([a, b, c]);
    const others = [a, b, c].filter((node) => node !== first);
    first.kill("SIGTERM");
    assert.equal((await first.status()).code, 0, first.output);
    await coordinator(others);
    for (const node of others) {
      // Where its layers had not gone to the others in time, they are placed anew.
      const url = await node.url();
      await until("an answer", async () => (await fetch(`${url}/readyz`)).status === 200);
      assertSame(await askAll(await node.url(), prompts), expected, "after a stop");
    }
    left = others;
  });
  await t.step("removed: it stands for election no more", async () => {
    const first = await coordinator(left);
    const removed = left.find((node) => node !== first)!;
    const name = "abc"[[a, b, c].indexOf(removed)];
    const { code, stderr } = await runCommand("nodes", "nodes", [
      "remove",
      name,
      ...registry.slice(0, 2),
    ]);
    assert.equal(code, 0, stderr);
    await removed.line(/this node was removed from the cluster at/);
    const said = removed.output.length;
    first.kill("SIGKILL");
    await first.status();
    await sleep(3 * LEASE_MS); // it would be elected as soon as the lease of the first one has ended
    assert.doesNotMatch(removed.output.slice(said), /coordinate/);
  });
});
