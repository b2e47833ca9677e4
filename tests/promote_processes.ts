/**
 * The first node of a cluster of real nodes is killed: another one is promoted, the cluster answers
 * with the same tokens, and the old first node comes back as a member. Then the new one stands still
 * while a third one is promoted. It takes minutes: `deno task test:clusters` runs it, and
 * `promote_test.ts` has what the gate checks.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { askAll, assertSame } from "./support/compare_answers.ts";
import { EVEN, NodeProcess } from "./support/processes.ts";
import { PROMPTS } from "./support/prompts.ts";
import { runCommand } from "./support/run_command.ts";
import { hasModel } from "./support/whole_model.ts";

const prompts = PROMPTS.slice(0, 2);

const nodes = (...args: string[]) => runCommand("nodes", "nodes", args);

/** Waits until the node at this URL answers. */
async function answers(url: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const response = await fetch(`${url}/readyz`).catch(() => undefined);
    const text = await response?.text();
    if (response?.status === 200) return;
    assert.ok(performance.now() < deadline, `not ready: ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test("deno task nodes promote makes another node the first one when that is killed", async (t) => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(data, { recursive: true }));
  const start = (name: string, ...args: string[]) =>
    stack.use(NodeProcess.start([
      ...["--data", join(data, name), "--name", name, "--threads", "1"],
      ...["--vote-after", "1s", "--log", "info", ...args],
    ]));
  const den = start("den", "--nodes", "3", ...EVEN);
  const joining = await den.join();
  const attic = start("attic", ...joining);
  const barn = start("barn", ...joining);
  const all = [den, attic, barn];
  for (const node of all) await node.ready(3);
  const [denUrl, atticUrl, barnUrl] = await Promise.all(all.map((node) => node.url()));
  const expected = await askAll(denUrl, prompts);

  await t.step("not while the first node lives", async () => {
    const { code, stderr } = await nodes("promote", "--url", atticUrl, "--wait", "1s");
    assert.equal(code, 1);
    assert.match(stderr, /the first node answers at 127\.0\.0\.1:\d+: stop it before/);
    const again = await nodes("promote", "--url", denUrl);
    assert.match(again.stderr, /den:0:\w+ is the first node of its cluster already/);
  });
  for (const name of ["attic", "barn"]) await hasModel(join(data, name), join(data, "den"));
  den.kill("SIGKILL");
  await den.status();
  await t.step("a member is promoted, and all answer as before", async () => {
    const { code, stdout, stderr } = await nodes("promote", "--url", atticUrl);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /attic:0:\w+ is the first node of its cluster now, in epoch 2/);
    for (const url of [atticUrl, barnUrl]) {
      await answers(url);
      assertSame(await askAll(url, prompts), expected, url);
    }
  });
  await t.step("a new node joins with a token of the new first node", async () => {
    const { stdout } = await nodes("--url", atticUrl, "--json");
    const rows = JSON.parse(stdout) as { name: string; state: string; address: string }[];
    assert.deepEqual(
      rows.map(({ name, state }) => [name, state]),
      [["attic", "serving"], ["barn", "serving"], ["den", "away"]],
    );
    const made = await runCommand("token", "files", ["create", "--data", join(data, "attic")]);
    const token = made.stdout.split("\n")[0];
    const cave = start("cave", "--join", rows[0].address, "--token", token);
    await answers(await cave.url());
    cave.kill("SIGTERM");
    await cave.status();
  });
  const back = start("den", "--nodes", "3", ...EVEN);
  await t.step("the old first node comes back as a member, in one row", async () => {
    await back.line(/^role +node attic:0:\w+ is the first node of the cluster since epoch 2/);
    const url = await back.url();
    await answers(url);
    assertSame(await askAll(url, prompts), expected, "the old first node");
    const { stdout } = await nodes("--url", atticUrl, "--json");
    const rows = JSON.parse(stdout) as { name: string; state: string; first: boolean }[];
    const den = rows.filter(({ name }) => name === "den");
    assert.equal(den.length, 1, stdout);
    assert.match(den[0].state, /serving|idle/);
    assert.deepEqual(rows.filter(({ first }) => first).map(({ name }) => name), ["attic"]);
  });
  await t.step(
    "a first node that stood still joins the one that was promoted meanwhile",
    async () => {
      attic.kill("SIGSTOP");
      const { code, stdout, stderr } = await nodes("promote", "--url", barnUrl);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /barn:0:\w+ is the first node of its cluster now, in epoch 3/);
      attic.kill("SIGCONT");
      await attic.line(
        /^role +node barn:0:\w+ was made the first one \(epoch 3\): this node joins it/,
      );
      await attic.line(/^role +node barn:0:\w+ is the first node of the cluster since epoch 3/);
      for (const node of [back, barn]) {
        await answers(await node.url());
        assertSame(await askAll(await node.url(), prompts), expected, "after the second promotion");
      }
      const deadline = performance.now() + 60_000;
      for (;;) {
        const { stdout } = await nodes("--url", barnUrl, "--json");
        const rows = JSON.parse(stdout) as { name: string; state: string }[];
        const states = rows.filter(({ name }) => name !== "cave").map(({ state }) => state);
        if (states.length === 3 && states.every((state) => /serving|idle/.test(state))) break;
        assert.ok(performance.now() < deadline, stdout);
      }
    },
  );
});
