import assert from "node:assert/strict";
import { type ActorContext, Simulation } from "../system/mod.ts";
import { type Deployment, deploymentSchema, type Member } from "./deployment.ts";
import type { StandBy } from "./member.ts";
import { repaired } from "./repair.ts";
import { backedUp, WarmBackups } from "./warm_backups.ts";

const member = (node: string): Member => ({
  node,
  host: "127.0.0.1",
  port: 1,
  cores: 1,
  memory_bytes: 1,
});
const MEMBERS = ["a", "b", "c"].map(member);

/** Stages at a and b, the head at both; c has nothing. */
const made = (more: object = {}): Deployment =>
  deploymentSchema.parse({
    id: "d1",
    model: "m",
    source: "a",
    stages: [{ node: "a", first: 0, last: 3 }, { node: "b", first: 4, last: 7 }],
    head: [{ node: "a", first_part: 0, last_part: 3 }, { node: "b", first_part: 4, last_part: 7 }],
    members: MEMBERS,
    ...more,
  });

const spareOf = (deployment: Deployment) => (nodes: readonly string[]) =>
  repaired(deployment, { members: MEMBERS, able: MEMBERS, away: new Set(nodes) });

Deno.test("backedUp() names what each node takes over if one of the others is gone", () => {
  const deployment = made();
  assert.deepEqual(Object.fromEntries(backedUp(deployment, spareOf(deployment))), {
    a: { id: "d1", stages: [], head: [1] },
    b: { id: "d1", stages: [], head: [0] },
    c: { id: "d1", stages: [0, 1], head: [] },
  });
  assert.deepEqual(backedUp(deployment, () => undefined), new Map(), "there is no backup");
});

Deno.test("WarmBackups asks the backups once a deployment has served for a while, and again", async () => {
  const sim = new Simulation({ seed: 1 });
  const asked: [node: string, StandBy][] = [];
  let current: Deployment | undefined = made();
  const ctx = {
    after: (ms: number, fn: () => void) => sim.clock.after(ms, fn),
    signal: new AbortController().signal,
    get: (_: unknown, node: string) => ({
      stand_by: (parts: StandBy) => {
        asked.push([node, parts]);
        return Promise.reject(new Error("it has no room"));
      },
    }),
  } as unknown as ActorContext;
  const backups = new WarmBackups(ctx, {
    current: () => current,
    spare: (nodes) => current && spareOf(current)(nodes),
  });
  await sim.run({ forMs: 20_000 });
  assert.equal(asked.length, 0, "it may be replaced in a moment");
  await sim.run({ forMs: 60_000 });
  assert.deepEqual(asked.map(([node]) => node).sort(), ["a", "b", "c"]);
  asked.length = 0;
  // The head is whole now: a and b are no backups any more, and give back what they hold.
  current = made({ head: undefined, revision: 1 });
  await sim.run({ forMs: 60_000 });
  const none = { id: "d1", stages: [], head: [] };
  assert.deepEqual(asked.sort(([a], [b]) => a < b ? -1 : 1), [
    ["a", none],
    ["b", none],
    ["c", { id: "d1", stages: [0, 1], head: [] }],
  ]);
  asked.length = 0;
  await sim.run({ forMs: 610_000 });
  assert.deepEqual(asked.map(([node]) => node), ["c"], "it may have made room for something else");
  asked.length = 0;
  backups.stop();
  await sim.run({ forMs: 1_300_000 });
  assert.equal(asked.length, 0);
});
