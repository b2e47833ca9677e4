import assert from "node:assert/strict";
import { MovePolicy, type MoveVerdict } from "./move_policy.ts";

const MINUTE = 60_000;
const usual = { gain: 0.3, rebuildS: 1, requestS: 2, newcomer: false };
const whyOf = (verdict: MoveVerdict) => verdict.moves ? "" : verdict.why;

Deno.test("MovePolicy.judge() keeps layers for less than a tenth, and for a pause that is not repaid", () => {
  const policy = new MovePolicy();
  assert.match(whyOf(policy.judge({ ...usual, gain: 0.09, now: 0 })), /9\.0 %, less than 10 %/);
  assert.match(
    whyOf(policy.judge({ ...usual, gain: 0.1, rebuildS: 40, now: 0 })),
    /does not repay a pause of 40\.3 s/,
  );
  assert.deepEqual(policy.judge({ ...usual, gain: 0.5, rebuildS: 40, now: 0 }), { moves: true });
  const slow = { ...usual, gain: 0.1, rebuildS: 40, requestS: 110 };
  assert.deepEqual(policy.judge({ ...slow, now: 0 }), { moves: true });
});

Deno.test("MovePolicy.judge() lets a new device begin at once, and one that was here wait", () => {
  const policy = new MovePolicy();
  policy.moved(0);
  const soon = { ...usual, now: 10_000 };
  assert.deepEqual(policy.judge({ ...soon, newcomer: true }), { moves: true });
  const verdict = policy.judge(soon);
  assert.ok(!verdict.moves && verdict.againMs === 50_000, JSON.stringify(verdict));
  assert.deepEqual(policy.judge({ ...usual, now: MINUTE }), { moves: true });
});

Deno.test("MovePolicy.judge() lets layers follow a device that is slow and fast by turns a few times", () => {
  for (const periodMs of [5_000, MINUTE, 5 * MINUTE]) {
    const policy = new MovePolicy();
    let moves = 0;
    let slow = false;
    let placedSlow = false;
    for (let now = 0; now < 60 * MINUTE; now += periodMs) {
      slow = !slow;
      if (slow === placedSlow) continue; // the layers are where they should be
      if (!policy.judge({ ...usual, gain: 0.6, now }).moves) continue;
      policy.moved(now);
      placedSlow = slow;
      moves++;
    }
    assert.ok(moves >= 2 && moves <= 7, `${moves} moves in an hour, a change each ${periodMs} ms`);
  }
});
