// deno-lint-ignore-file no-console -- it prints what it measures
/**
 * Who is a member, with real nodes: one that is killed, one that stands still, one that comes back.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { answerStatus } from "../support/answers.ts";
import { EVEN, NodeProcess } from "../support/processes.ts";

/** A row of `GET /api/nodes`, as far as it is looked at here. */
interface Row {
  name: string;
  node: string;
  state: string;
  health: string | null;
}

/**
 * Milliseconds in which a killed node must be known to be gone, also on a loaded machine (one without
 * other work takes a tenth of a second; it is printed): its silence alone would tell later.
 */
const KILLED_MS = 5_000;
/** A node that stands still for this time stays a member; for that time it does not. */
const SHORT_FREEZE_MS = 3_000;
const LONG_FREEZE_MS = 8_000;

Deno.test("deno task start notices a killed node before its silence tells, and forgives one that stands still", async (t) => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(data, { recursive: true }));
  const start = (name: string, ...args: string[]) =>
    stack.use(NodeProcess.start([
      ...["--data", join(data, name), "--name", name, "--threads", "1", "--log", "info"],
      ...args,
    ]));
  const first = start("den", ...EVEN, "--nodes", "3");
  const [, address, ...token] = await first.join();
  const attic = start("attic", "--join", address, ...token);
  await first.line(/3 nodes, 2 joined/);
  let shed = start("shed", "--join", address, ...token);
  const url = await first.ready(3);
  await attic.ready(3);
  await shed.ready(3);

  /** The line that says what is thought of a node. */
  const says = (node: string, what: string) => new RegExp(`node "${node}" is "${what}`);
  const rows = async (): Promise<Row[]> => (await (await fetch(`${url}/api/nodes`)).json()).nodes;
  const members = async () => (await rows()).filter((row) => row.state !== "away");
  /** Waits until the rows are as they should be. */
  const until = async (fits: (rows: Row[]) => boolean, everyMs = 100): Promise<void> => {
    for (let left = 60_000; left > 0; left -= everyMs) {
      if (fits(await rows())) return;
      await delay(everyMs);
    }
    assert.fail(`${JSON.stringify(await rows())}\n${first.output}`);
  };
  const freeze = async (node: NodeProcess, ms: number) => {
    node.kill("SIGSTOP");
    await delay(ms);
    node.kill("SIGCONT");
  };

  await t.step(`a node that stands still for ${SHORT_FREEZE_MS} ms stays a member`, async () => {
    const before = await members();
    await freeze(attic, SHORT_FREEZE_MS);
    await until((rows) => rows.every(({ health }) => health !== "suspect"));
    assert.deepEqual((await members()).map((r) => r.node), before.map((r) => r.node));
    assert.doesNotMatch(first.output, /is "dead/);
    assert.equal(await answerStatus(url), 200);
  });

  await t.step(
    "one that stands still for longer is taken out, and is one row when it comes back",
    async () => {
      const { node } = (await rows()).find(({ name }) => name === "attic")!;
      await freeze(attic, LONG_FREEZE_MS);
      assert.match(first.output, says(node, 'dead": "it has been silent for'));
      await until((rows) => {
        const its = rows.filter(({ name }) => name === "attic");
        return its.length === 1 && its[0].node === node && its[0].state !== "away";
      });
      await until((rows) => rows.every(({ state }) => state === "serving"));
      assert.equal(await answerStatus(url), 200);
    },
  );

  await t.step(
    "a killed node is known to be gone, as its machine refuses connections",
    async () => {
      const { node } = (await rows()).find(({ name }) => name === "shed")!;
      const killed = performance.now();
      shed.kill("SIGKILL");
      await until((rows) => rows.some((row) => row.node === node && row.state === "away"), 5);
      const ms = performance.now() - killed;
      console.log(`a killed node of three is known to be gone after ${ms.toFixed(0)} ms`);
      assert.ok(ms < KILLED_MS, `${ms} ms\n${first.output}`);
      assert.match(first.output, says(node, 'dead": "its machine refuses connections'));
      await shed.status();
    },
  );

  await t.step("its next life is one row, and the same node", async () => {
    const before = (await rows()).find(({ name }) => name === "shed")!;
    shed = start("shed", "--join", address);
    await shed.ready(3);
    const its = (await rows()).filter(({ name }) => name === "shed");
    assert.equal(its.length, 1);
    assert.notEqual(its[0].node, before.node);
    assert.equal(its[0].state, "serving");
    assert.equal(await answerStatus(url), 200);
  });

  await t.step(
    "of two nodes, one that is killed is known to be gone in the same way",
    async () => {
      attic.kill("SIGTERM");
      await attic.status();
      const { node } = (await rows()).find(({ name }) => name === "shed")!;
      const killed = performance.now();
      shed.kill("SIGKILL");
      await until((rows) => rows.some((row) => row.node === node && row.state === "away"), 5);
      const ms = performance.now() - killed;
      console.log(`a killed node of two is known to be gone after ${ms.toFixed(0)} ms`);
      assert.ok(ms < KILLED_MS, `${ms} ms\n${first.output}`);
      assert.match(first.output, says(node, 'dead": "its machine refuses connections'));
    },
  );
});
