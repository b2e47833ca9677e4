/**
 * A durable custom actor in a node of its own process, which is killed (SIGKILL) while clients
 * count: no count is lost that a client was told of, none that was sent again is counted twice, and
 * the alarms that came due meanwhile ring in order.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { NodeProcess } from "./support/processes.ts";

const MODULE = fileURLToPath(new URL("support/durable_counter.ts", import.meta.url));
const GRAPH = `model: embedded
actors: { custom: [{ name: counter, module: ${MODULE}, expose: true }] }
`;
/** Counts of the clients, each with a key of its own. */
const COUNTS = 400;
/** Clients that count at the same time. */
const CLIENTS = 8;

Deno.test("a node that is killed while it counts loses no count and doubles none", async () => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  const file = join(dir, "graph.yaml");
  await Deno.writeTextFile(file, GRAPH);
  const start = () => NodeProcess.start(["--data", join(dir, "store"), "--graph", file]);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => Deno.remove(dir, { recursive: true }));
  let node = undo.use(start());
  /** Where the node that lives answers. */
  let url = node.url();
  const ask = async (body: object, key?: string) => {
    const response = await fetch(`${await url}/api/actors/counter`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(key && { "idempotency-key": key }) },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${response.status} ${JSON.stringify(answer)}`);
    return answer;
  };
  await answered(() => ask({ type: "read" }));

  const told: number[] = [];
  let sent = 0;
  let again = 0;
  const client = async () => {
    while (sent < COUNTS) {
      const key = `count-${++sent}`;
      told.push(
        await answered(async () => {
          try {
            return await ask({ type: "add" }, key);
          } catch (error) {
            again++;
            throw error;
          }
        }),
      );
    }
  };
  const begun = performance.now();
  const counted = Promise.all(Array.from({ length: CLIENTS }, client));
  const inMiddle = async () => {
    while (told.length < COUNTS / 10) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  await inMiddle();
  // It does not live to see that: twice as long as this machine takes for three messages.
  const askMs = (performance.now() - begun) * CLIENTS / told.length;
  const soon = Date.now() + 1_000 + 6 * askMs;
  for (const [i, note] of ["b", "c", "a"].entries()) {
    await ask({ type: "wake", at: soon + [20, 30, 10][i], note }, `wake-${note}`);
  }
  node.kill("SIGKILL");
  await node.status();
  const before = told.length;
  assert.ok(before < COUNTS, "it was killed in the middle");
  assert.ok(Date.now() < soon, "it was killed before its alarms were due");
  node = undo.use(start());
  url = node.url();
  await counted;
  assert.ok(again > 0, "counts were sent again");
  assert.deepEqual(told.toSorted((a, b) => a - b), Array.from({ length: COUNTS }, (_, i) => i + 1));
  let state = await ask({ type: "read" });
  while (state.rung.length < 3) state = await ask({ type: "read" });
  assert.deepEqual(state, { count: COUNTS, rung: ["a", "b", "c"] });
});

/** What it resolves to, however often it fails before. */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
  for (const end = Date.now() + 60_000;;) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
