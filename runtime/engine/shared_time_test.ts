import assert from "node:assert/strict";
import { SharedTime } from "./shared_time.ts";

function world() {
  let now = 100;
  return { time: new SharedTime(() => now), pass: (ms: number) => void (now += ms) };
}

Deno.test("SharedTime charges a run that is alone all of its time", () => {
  const { time, pass } = world();
  pass(50);
  const run = time.begin();
  pass(30);
  assert.equal(run.end(), 30);
  pass(5);
  assert.equal(run.end(), 30, "a run ends once");
});

Deno.test("SharedTime charges runs at the same time their shares of it", () => {
  const { time, pass } = world();
  const stage = time.begin();
  pass(10);
  const shard = time.begin();
  pass(20);
  assert.equal(shard.end(), 10);
  pass(4);
  assert.equal(stage.end(), 10 + 10 + 4);
});

Deno.test("SharedTime charges no more than the clock shows, whatever overlaps", () => {
  const { time, pass } = world();
  const runs = [time.begin()];
  let charged = 0;
  for (let i = 0; i < 20; i++) {
    pass(i % 7);
    runs.push(time.begin());
    pass(3);
    if (i % 3 > 0) charged += runs.shift()!.end();
  }
  for (const run of runs) charged += run.end();
  const clock = Array.from({ length: 20 }, (_, i) => i % 7 + 3).reduce((a, b) => a + b);
  assert.ok(Math.abs(charged - clock) < 1e-9, `${charged} of ${clock}`);
});
