/** `deno task nodes` with real nodes: it lists, drains and removes them. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { answerStatus } from "./support/answers.ts";
import { EVEN, NodeProcess } from "./support/processes.ts";
import { runCommand } from "./support/run_command.ts";

const command = (...args: string[]) => runCommand("nodes", "nodes", args);

/** Runs `deno task nodes` against the node at `url`. */
function nodes(url: string, ...args: string[]) {
  return command(...args, "--url", url);
}

Deno.test("deno task nodes lists, drains and removes nodes", async (t) => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(data, { recursive: true }));
  const start = (name: string, ...args: string[]) =>
    stack.use(NodeProcess.start(["--data", join(data, name), "--name", name, ...args]));
  const first = start("den", ...EVEN);
  const url = await first.ready(1);
  const [, address, ...token] = await first.join();
  let attic = start("attic", "--join", address, ...token);
  const atticUrl = await attic.ready(2);
  await first.ready(2);

  await t.step("it lists members with layers and certificates", async () => {
    const { stdout, code } = await nodes(url);
    assert.equal(code, 0);
    const [head, one, two] = stdout.trimEnd().split("\n");
    assert.match(head, /^NAME +STATE +LAYERS +ADDRESS +SINCE +CERTIFICATE +ID$/);
    assert.match(one, /^den +serving \(first\) +0-2 +127\.0\.0\.1:\d+ +\S+ \S+ +23 h +den:0:/);
    assert.match(two, /^attic +serving +3-5 +127\.0\.0\.1:\d+ .*23 h +attic:0:/);
  });
  await t.step("another node says where the first one is", async () => {
    const { stderr, code } = await nodes(atticUrl);
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`answered 409: .* mailbox listens at ${address}`));
  });
  await t.step("the first node is neither drained nor removed", async () => {
    for (const verb of ["drain", "remove"]) {
      const { stderr, code } = await nodes(url, verb, "den");
      assert.equal(code, 1);
      assert.match(stderr, /is the first node, which holds the membership/);
    }
  });
  await t.step("a drained node hands its layers back and ends", async () => {
    const { stdout, stderr, code } = await nodes(url, "drain", "attic");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^attic:0:\w+ drains: .*\nattic:0:\w+ has left\n$/);
    assert.equal((await attic.status()).code, 0, attic.output);
    assert.match(attic.output, /drain +the first node says so/);
    await first.line(/^ready +\S+: layers 0-5 on this node$/);
    assert.equal(await answerStatus(url), 200);
    const rows = JSON.parse((await nodes(url, "--json")).stdout);
    assert.deepEqual(rows.map((r: { state: string }) => r.state), ["serving", "away"]);
  });
  await t.step("it may come back, and is then removed for good", async () => {
    attic = start("attic", "--join", address);
    await attic.url();
    const { stdout, stderr, code } = await nodes(url, "remove", "attic");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^removed attic:0:\w+: it never counts again under its identity\n$/);
    const listed = await nodes(url);
    assert.doesNotMatch(listed.stdout, /attic/);
    assert.match((await nodes(url, "--all")).stdout, /^attic +removed +- +- /m);
    await attic.line(/this node was removed from the cluster at/);
    const again = start("attic", "--join", address, ...token);
    assert.ok(await again.url(), "while its key is in use, it is another node");
    attic.kill("SIGKILL");
    await attic.status();
    const old = start("attic", "--join", address, ...token);
    assert.equal((await old.status()).code, 1);
    assert.match(old.output, /this node was removed from the cluster at/);
    assert.equal(await answerStatus(url), 200);
  });
  await t.step(
    "--data works on the files of the first node, also when that is stopped",
    async () => {
      const folder = join(data, "den");
      first.kill("SIGTERM");
      await first.status();
      const listed = await command("list", "--data", folder);
      assert.match(listed.stdout, /^den:0:\w+ .* first node +known$/m);
      const [, identity] = /^attic:0:\w+ +(\w{12}) .* known$/m.exec(listed.stdout)!;
      const removed = await command("remove", identity, "--data", folder);
      assert.match(removed.stdout, /^removed attic:0:\w+: members refuse it/, removed.stderr);
      assert.doesNotMatch((await command("--data", folder)).stdout, /attic/);
      assert.equal((await command("drain", "attic", "--data", folder)).code, 2);
    },
  );
});
