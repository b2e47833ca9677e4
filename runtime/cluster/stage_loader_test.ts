import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { stageBudget } from "./stage_loader.ts";

const MIB = 2 ** 20;
const budget = (memory: number, spare?: boolean) =>
  stageBudget({
    weightBytes: 100 * MIB,
    memory: memory * MIB,
    spare,
    node: "attic",
    what: "layers 0-5",
    model: "m",
  });

Deno.test("stageBudget() gives arenas a quarter of what the weights leave", () => {
  assert.equal(budget(500), 100 * MIB);
});

Deno.test("stageBudget() refuses weights that do not fit twice, and spare ones unless as much again stays free", () => {
  const full = (e: unknown) => hasCode(e, "not_enough_memory");
  assert.throws(() => budget(199), full);
  assert.equal(budget(200), 25 * MIB);
  assert.throws(() => budget(399, true), full);
  assert.equal(budget(400, true), 75 * MIB);
});
