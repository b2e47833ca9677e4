/**
 * Custom actors on other nodes than the first, each node in a process of its own: the planner puts a
 * counter where no stages compute, its module travels, and when its host is killed (SIGKILL) while
 * clients count, it goes on elsewhere with every count that a client was told of, none twice. A changed
 * module takes over, and a better host, in the same way.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { writeProfiles } from "./support/known_profiles.ts";
import { NodeProcess } from "./support/processes.ts";

/** Counts of each part of the test, each with a key of its own. */
const COUNTS = 100;
/** Clients that count at the same time. */
const CLIENTS = 4;

const MODULE = `
import { defineActor } from "@orrery/orrery/actors";
import { z } from "zod";
import { FIRST } from "./lib/first.ts";

const denied = async (act: () => unknown) => {
  try {
    return "got " + await act();
  } catch (error) {
    return (error as Error).message;
  }
};

export default defineActor({
  kind: "counter",
  config: z.object({}),
  state: z.object({ count: z.number() }).default({ count: FIRST }),
  messages: { add: z.object({}), read: z.object({}), try: z.object({}) },
  create: ({ state }) => ({
    add: () => state.update(({ count }) => ({ count: count + 1 })).count,
    read: () => ({ ...state.value, version: 1 }),
    try: () => Promise.all([
      denied(() => Deno.readTextFileSync("/etc/hostname")),
      denied(() => fetch("http://127.0.0.1:9999")),
      denied(() => Deno.env.get("HOME")),
    ]),
  }),
});
`;

const GRAPH = `model: embedded
constraints: { pin: [{ host: first, layers: 0-5 }] }
decode: { mode: plain, route: pipeline }
actors:
  stages: [{ host: first, layers: 0-5 }]
  drafter: none
  custom: [{ name: counter, module: ./counter.ts, expose: true, needs: { cores: 1 } }]
`;

Deno.test("a custom actor runs where the planner puts it, and moves when its host is killed", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  await Deno.mkdir(join(dir, "graph", "lib"), { recursive: true });
  const write = (name: string, text: string) => Deno.writeTextFile(join(dir, "graph", name), text);
  await write("counter.ts", MODULE);
  await write("lib/first.ts", "export const FIRST = 0;\n");
  await write("graph.yaml", GRAPH);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => Deno.remove(dir, { recursive: true }));
  const folders = ["first", "second", "third"].map((name) => join(dir, name));
  await writeProfiles(folders, { threads: 1 });
  const start = (name: string, ...args: string[]) =>
    undo.use(NodeProcess.start([
      ...["--name", name, "--data", join(dir, name), "--threads", "1", "--log", "info"],
      ...args,
    ]));
  const first = start(
    "first",
    "--graph",
    join(dir, "graph", "graph.yaml"),
    "--nodes",
    "2",
    "--watch",
  );
  const joining = await first.join();
  const second = start("second", ...joining);
  const url = await first.ready(1);

  const ask = async (body: object, key?: string) => {
    const response = await fetch(`${url}/api/actors/counter`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(key && { "idempotency-key": key }) },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(40_000),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${response.status} ${JSON.stringify(answer)}`);
    return answer;
  };
  /** Waits until a node says that it hosts the counter. */
  const runsAt = (name: string) => first.line(new RegExp(`actor .*counter.* runs at .*${name}:`));
  await runsAt("second");
  const { actors: [placed] } = await (await fetch(`${url}/api/plan`)).json();
  assert.match(placed.host, /^second:/);
  assert.match(placed.why, /first:\S+ would take .* more a request/);
  const tried = await ask({ type: "try" });
  for (const [i, what] of [/read access/, /net access/, /got undefined/].entries()) {
    assert.match(tried[i], what);
  }

  let third: NodeProcess | undefined;
  const told: number[] = [];
  let sent = 0;
  /** Has the clients count on, and acts meanwhile. */
  const countOn = async (act: () => Promise<unknown>) => {
    const goal = sent + COUNTS;
    const client = async () => {
      while (sent < goal) told.push(await ask({ type: "add" }, `count-${++sent}`));
    };
    const counted = Promise.all(Array.from({ length: CLIENTS }, client));
    while (told.length < goal - COUNTS + 10) await sleep(5);
    await act();
    await counted;
    assert.deepEqual(told.toSorted((a, b) => a - b), Array.from({ length: goal }, (_, i) => i + 1));
  };

  await t.step(
    "its host is killed: it goes on elsewhere, no count is lost or doubled",
    async () => {
      await countOn(async () => {
        second.kill("SIGKILL");
        await second.status();
      });
      assert.deepEqual(await ask({ type: "read" }), { count: sent, version: 1 });
    },
  );

  await t.step("its module is changed: the new version goes on with what is kept", async () => {
    await countOn(async () => {
      await write("counter.ts", MODULE.replace("version: 1", "version: 2"));
      while ((await ask({ type: "read" })).version < 2) await sleep(20);
    });
    await write("counter.ts", "export default {");
    await first.line(/the changed module is not taken over: .*counter.*SyntaxError/);
    assert.deepEqual(await ask({ type: "read" }), { count: sent, version: 2 });
    await write("counter.ts", MODULE.replace("version: 1", "version: 3"));
    while ((await ask({ type: "read" })).version < 3) await sleep(20);
  });

  await t.step("a better host joins: it moves there while clients count", async () => {
    third = start("third", ...joining);
    await countOn(() => runsAt("third"));
    assert.deepEqual(await ask({ type: "read" }), { count: sent, version: 3 });
  });

  await t.step("its host leaves: it moves back while clients count", async () => {
    await countOn(async () => {
      third!.kill("SIGTERM");
      assert.equal((await third!.status()).code, 0);
    });
    assert.deepEqual(await ask({ type: "read" }), { count: sent, version: 3 });
  });
});
