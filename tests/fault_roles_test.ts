/**
 * Which node a fault strikes: one that has the role now (`support/fault_cluster.ts`).
 */
import assert from "node:assert/strict";
import { holdersOf } from "./support/fault_cluster.ts";

const load = (second: number, actor: string) =>
  `stderr: 2026-11-30 12:00:0${second}.000+00 [INF] orrery·cluster: "${actor}" loads layers 0-1\n`;

Deno.test("holdersOf() finds the nodes that loaded the actors of the last deployment last", () => {
  const outputs = [
    "ready    embedded\n" + load(1, "d1-1/stage/0") + load(4, "d1-2/stage/0"),
    load(1, "d1-1/stage/1") + load(4, "d1-2/stage/1") + load(5, "d1-2/head/0"),
    load(6, "d1-2/stage/1"), // a backup of node 1
    load(4, "d1-2/drafter/main") + load(7, "d1-2/head/0"),
  ];
  assert.deepEqual(holdersOf(outputs, "stage"), [0, 2]);
  assert.deepEqual(holdersOf(outputs, "head"), [3]);
  assert.deepEqual(holdersOf(outputs, "drafter"), [3]);
  assert.deepEqual(holdersOf(["", ""], "stage"), []);
});
