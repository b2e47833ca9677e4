import assert from "node:assert/strict";
import { LagMeter } from "./lag_meter.ts";

/** A meter whose clock the test moves, and whose own timer never fires. */
function meterOf() {
  let now = 0;
  const meter = new LagMeter({ now: () => now });
  meter.close();
  return {
    meter,
    /** The next look comes so many milliseconds late. */
    late(ms: number) {
      now += 25 + ms;
      meter.look();
    },
    pass: (ms: number) => now += ms,
  };
}

Deno.test("LagMeter.figures() tells the largest lag of the last minute, and what most looks saw", () => {
  const { meter, late } = meterOf();
  for (let i = 0; i < 200; i++) late(0.4);
  late(180);
  late(3);
  const { last_ms, max_ms, p50_ms, p99_ms, counts } = meter.figures();
  assert.deepEqual({ last_ms, max_ms, p50_ms, p99_ms }, {
    ...{ last_ms: 3, max_ms: 180, p50_ms: 1, p99_ms: 1 },
  });
  assert.deepEqual([counts[0], counts[2], counts[7]], [200, 1, 1]);
  for (let i = 0; i < 3_000; i++) late(0);
  assert.equal(meter.figures().max_ms, 0, "75 s later");
  assert.equal(meter.figures().counts[7], 1, "counters go on");
});

Deno.test("LagMeter.figures() tells of a lag that goes on", () => {
  const { meter, late, pass } = meterOf();
  late(0);
  pass(25 + 70);
  assert.equal(meter.figures().max_ms, 70);
  assert.equal(meter.figures().last_ms, 70);
});

Deno.test("LagMeter looks by itself", async () => {
  const meter = new LagMeter();
  try {
    const until = performance.now() + 10_000;
    while (meter.figures().counts.every((count) => count === 0) && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.ok(meter.figures().counts.some((count) => count > 0));
    const begun = performance.now();
    while (performance.now() - begun < 120);
    assert.ok(meter.figures().max_ms >= 60);
  } finally {
    meter.close();
  }
});
