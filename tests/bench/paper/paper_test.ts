import assert from "node:assert/strict";
import { calibrate, edgeshard, edgeshardErrors, edgeshardLoss } from "./calibrate.ts";
import { type Hardware, paperCosts, paperStages } from "./hardware.ts";
import { ABLATION, leversOf } from "./jupiter.ts";
import { CELLS } from "./published.ts";
import { oursFor, paperTable } from "./table.ts";

let known: Hardware | undefined;
const calibrated = () => known ??= calibrate();

Deno.test("calibrate() reproduces EdgeShard's 12 cells within 3.5 % and its bars within 5 %", () => {
  const errors = edgeshardErrors(calibrated()).map(Math.abs);
  assert.equal(errors.length, 20);
  assert.ok(Math.max(...errors.slice(0, 12)) < 0.035, `${errors}`);
  assert.ok(Math.max(...errors.slice(12)) < 0.05, `${errors}`);
});

Deno.test("calibrate() makes slower boards slower, and changing one number alone does not help", () => {
  const hardware = calibrated();
  // a TX2 has four fifths of an NX's 16-bit operations and no tensor cores
  assert.ok(hardware.tx2_compute > 1.27 && hardware.tx2_compute < 6);
  assert.ok(hardware.tx2_fixed > 1 && hardware.tx2_fixed < 3);
  assert.ok(hardware.wire >= 1);
  const loss = edgeshardLoss(hardware);
  for (const key of Object.keys(hardware) as (keyof Hardware)[]) {
    for (const factor of [0.99, 1.01]) {
      assert.ok(
        edgeshardLoss({ ...hardware, [key]: hardware[key] * factor }) >= loss * 0.99,
        `${key} ${factor}`,
      );
    }
  }
});

Deno.test("edgeshardErrors() agrees with the simulator", () => {
  const hardware = calibrated();
  const errors = edgeshardErrors(hardware);
  for (const [i, cell] of CELLS.entries()) {
    const simulated =
      edgeshard(paperCosts(hardware, cell)).requests[0].finish_s / cell.edgeshard_s - 1;
    assert.ok(
      Math.abs(simulated - errors[i]) < 1e-9,
      `${cell.environment} ${cell.model} ${cell.mbit}`,
    );
  }
});

Deno.test("paperStages() uses every device in order and covers the layers", () => {
  for (const environment of ["A", "B"] as const) {
    const stages = paperStages(
      paperCosts(calibrated(), { environment, model: "13B", mbit: 100 }),
    );
    assert.deepEqual(stages.map((s) => s.device), [0, 1, 2, 3]);
    assert.deepEqual(stages.map((s) => s.first), [0, ...stages.slice(0, 3).map((s) => s.last + 1)]);
    assert.equal(stages[3].last, 39);
  }
});

Deno.test("paperTable() predicts Jupiter's 12 cells within 11 %, between the ablation's ends", () => {
  const rows = paperTable(calibrated());
  assert.equal(rows.length, 12);
  for (const row of rows) {
    const name = `${row.environment} ${row.model} ${row.mbit}`;
    assert.ok(Math.abs(row.jupiter.error) < 0.11, `${name}: ${row.jupiter.error}`);
    const [slowest, fastest] = row.jupiter.range_s;
    assert.ok(fastest < row.jupiter.predicted_s && row.jupiter.predicted_s < slowest, name);
    assert.ok(row.jupiter_s > fastest && row.jupiter_s < slowest, name);
  }
  const errors = rows.map((r) => Math.abs(r.jupiter.error));
  assert.ok(errors.reduce((a, b) => a + b) / 12 < 0.065);
});

Deno.test("oursFor() gives a plan 2.7 times as fast as EdgeShard and faster than Jupiter, as published", () => {
  const hardware = calibrated();
  const levers = leversOf(hardware, ABLATION.middle);
  const cell = CELLS.find((c) => c.environment === "B" && c.model === "7B" && c.mbit === 1000)!;
  const freedom = { continuous: false, early: false };
  const found = oursFor(cell, { hardware, levers, freedom });
  assert.ok(found.over_edgeshard > 2.7, `${found.over_edgeshard}`);
  assert.ok(found.over_jupiter > 1, `${found.over_jupiter}`);
  // the slow board is left out
  assert.ok(found.system.stages.every((s) => s.device !== 3));
});
