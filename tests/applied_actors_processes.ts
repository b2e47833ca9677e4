/**
 * Custom actors of a graph file that is applied: on three nodes in processes of their own they are
 * placed where the graph allows, keep what they keep through a changed config and a changed module, go on as they were
 * where the new module cannot run, ring an alarm once after their host was killed, and end with it.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { NodeProcess } from "./support/processes.ts";
import { runCommand } from "./support/run_command.ts";

/** Milliseconds until the alarm that a killed host does not see. */
const ALARM_MS = 8_000;

const MODULE = `
import { defineActor } from "@orrery/orrery/actors";
import { z } from "zod";

export default defineActor({
  kind: "bell",
  config: z.object({ tone: z.string() }),
  state: z.object({ count: z.number(), rung: z.array(z.number()) }).default({ count: 0, rung: [] }),
  alarms: true,
  messages: {
    add: z.object({}),
    read: z.object({}),
    wake: z.object({ ms: z.number() }),
    ring: z.object({}),
    ask: z.object({}),
  },
  create: (ctx, { tone }) => ({
    add: () => ctx.state.update((s) => ({ ...s, count: s.count + 1 })).count,
    read: () => ({ ...ctx.state.value, tone, version: 1 }),
    wake({ ms }) {
      const at = ctx.date() + ms;
      ctx.alarm(at, { type: "ring" }, { name: "ring" });
      return at;
    },
    ring: () => void ctx.state.update((s) => ({ ...s, rung: [...s.rung, ctx.date()] })),
    ask: () => ctx.ask("graph/model/main", { type: "generate", prompt: "It rains", max_tokens: 2 }),
  }),
});
`;

const graphOf = (tone: string) =>
  `model: { name: embedded, precision: q8 }
constraints: { exclude: [first] }
decode: { mode: plain, route: pipeline }
actors:
  drafter: none
  custom:
    - { name: bell, module: ./bell.ts, config: { tone: ${tone} }, expose: true, needs: { cores: 1 } }
`;

Deno.test("custom actors of an applied graph are placed, rolled out and back, and ring after their host is gone", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  const file = join(dir, "bells.yaml");
  const write = (name: string, text: string) => Deno.writeTextFile(join(dir, name), text);
  await write("bell.ts", MODULE);
  await write("bells.yaml", graphOf("low"));
  await using undo = new AsyncDisposableStack();
  undo.defer(() => Deno.remove(dir, { recursive: true }));
  const start = (name: string, ...args: string[]) =>
    undo.use(NodeProcess.start([
      ...["--name", name, "--data", join(dir, name), "--threads", "1"],
      ...args,
    ]));
  const first = start("first", "--nodes", "3", "--layers", "0-5");
  const joining = await first.join();
  const others: Record<string, NodeProcess> = {};
  for (const name of ["second", "third"]) others[name] = start(name, ...joining);
  const url = await first.ready(1);
  const urls = [url, await others.second.ready(1)];
  /** Name of the node that hosts the actor. */
  let host = "";

  const post = (at: string, body: object) =>
    fetch(`${at}/api/actors/bell`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(60_000),
    });
  const ask = async (body: object, at = url) => {
    const response = await post(at, body);
    const answer = await response.json();
    if (!response.ok) throw new Error(`${response.status} ${JSON.stringify(answer)}`);
    return answer;
  };
  const apply = () => runCommand("apply", "chat", [file, "--url", url, "--wait", "90s"]);

  await t.step("it runs at a node that the graph allows, and every node asks it", async () => {
    const { code, stdout, stderr } = await apply();
    assert.equal(code, 0, stderr);
    host = /bells, actor bell: at (\w+):\S+, /.exec(stdout)?.[1] ?? "";
    assert.ok(host in others, stdout);
    assert.equal(await ask({ type: "add" }, urls[0]), 1);
    assert.equal(await ask({ type: "add" }, urls[1]), 2);
    assert.equal((await ask({ type: "ask" })).completion_tokens, 2);
  });

  await t.step("a changed config and a changed module go on with what is kept", async () => {
    await write("bells.yaml", graphOf("high"));
    const config = await apply();
    assert.equal(config.code, 0, config.stderr);
    const read = { count: 2, rung: [] };
    assert.deepEqual(await ask({ type: "read" }), { ...read, tone: "high", version: 1 });
    await write("bell.ts", MODULE.replace("version: 1", "version: 2"));
    const module = await apply();
    assert.equal(module.code, 0, module.stderr);
    assert.deepEqual(await ask({ type: "read" }), { ...read, tone: "high", version: 2 });
  });

  await t.step("what cannot run is refused, and the one before goes on", async () => {
    await write("bell.ts", MODULE.replace("tone: z.string()", "tone: z.number()"));
    const refused = await apply();
    assert.equal(refused.code, 1, refused.stdout);
    assert.match(refused.stderr, /actors.custom\[0\] \(bell\)/);
    await write("bells.yaml", graphOf("high").replace("cores: 1", "cores: 1000"));
    await write("bell.ts", MODULE);
    const nowhere = await apply();
    assert.equal(nowhere.code, 1, nowhere.stdout);
    assert.match(nowhere.stderr, /bells goes on as it was: actor bell: no host has what it needs/);
    assert.equal((await ask({ type: "read" })).version, 2);
  });

  await t.step("its host is killed before an alarm: it rings once, not too early", async () => {
    const at = await ask({ type: "wake", ms: ALARM_MS });
    others[host].kill("SIGKILL");
    await others[host].status();
    let rung: number[] = [];
    for (const end = Date.now() + 60_000; rung.length === 0 && Date.now() < end;) {
      await sleep(250);
      ({ rung } = await ask({ type: "read" }));
    }
    assert.ok(rung[0] >= at, `it rang ${at - rung[0]} ms too early`);
    await sleep(2_000);
    assert.deepEqual(await ask({ type: "read" }), { count: 2, rung, tone: "high", version: 2 });
  });

  await t.step("it ends with its deployment", async () => {
    const deleted = await runCommand("delete", "chat", ["bells", "--url", url]);
    assert.equal(deleted.code, 0, deleted.stderr);
    for (const end = Date.now() + 30_000; (await post(url, { type: "read" })).status !== 404;) {
      assert.ok(Date.now() < end, "the actor of a deleted deployment still answers");
      await sleep(200);
    }
  });
});
