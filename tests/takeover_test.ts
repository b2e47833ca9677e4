/**
 * A cluster with the embedded registry serves on without its first node, and takes it back. With a
 * registry that several nodes open, another one takes over: `deno task test:clusters`.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { askAll, assertSame } from "./support/compare_answers.ts";
import { freePorts } from "./support/free_ports.ts";
import { FIRST, prompts, stream, TakeoverNodes, threeMembers } from "./support/takeover.ts";

Deno.test("deno task start: members of a cluster serve on while the first node is away", async (t) => {
  await using nodes = await TakeoverNodes.open();
  const ports = await freePorts(2);
  let a = nodes.server(FIRST, ["--nodes", "3"], ports);
  const joining = await a.join();
  const [b, c] = ["b", "c"].map((name) => nodes.start(name, joining));
  for (const node of [a, b, c]) await node.ready(1);
  const urls = [await b.url(), await c.url()];
  const expected = await askAll(urls[0], prompts);

  await t.step("it is killed: streams and new prompts are answered", async () => {
    const streams = await Promise.all(urls.map(stream));
    a.kill("SIGKILL");
    for (const url of urls) {
      assertSame(await askAll(url, prompts), expected, "without a first node");
    }
    for (const { done } of streams) assert.equal(await done, "data: [DONE]");
  });
  await t.step("they say that the cluster cannot change, and what to do", async () => {
    for (const node of [b, c]) {
      await node.line(/^note +the coordinator a:\S+ .* cannot change: .*deno task nodes promote/);
    }
    const ready = await fetch(`${urls[0]}/readyz`);
    assert.equal(ready.status, 200);
    assert.match((await ready.json()).note, /cannot change/);
    const copies = [...Deno.readDirSync(join(nodes.data, "registry", "copies"))];
    assert.equal(copies.length, 2);
    const copy = await Deno.readTextFile(join(nodes.data, "registry", "copies", copies[0].name));
    assert.match(copy, /"graphs\/main"/);
    assert.doesNotMatch(copy, /trust\/(authority|tokens)/);
  });
  await t.step("it comes back, and has them and what they serve", async () => {
    const said = [b, c].map(({ output }) => output.length);
    a = nodes.server(FIRST, ["--nodes", "3"], ports);
    await a.ready(1);
    assert.deepEqual(await threeMembers([a]), ["a", "b", "c"], "a is one row");
    assertSame(await askAll(await a.url(), prompts), expected, "at the first node");
    assert.doesNotMatch(a.output, /placement failed/);
    // A plan that moves layers may follow, since a node has joined: it takes over beside what serves.
    [b, c].forEach((node, i) => assert.doesNotMatch(node.output.slice(said[i]), /^not ready/m));
  });
});
