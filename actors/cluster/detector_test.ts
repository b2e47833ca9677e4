import assert from "node:assert/strict";
import { seededRandom } from "../system/mod.ts";
import { type DetectorOptions, PhiDetector } from "./detector.ts";

const OPTIONS: DetectorOptions = {
  heartbeatMs: 500,
  tickMs: 250,
  suspectMs: 1_500,
  deadMs: 5_000,
  mostMs: 30_000,
};

/** A detector that ticks in time up to `until`, while heartbeats of `a` come at these times. */
function watched(beats: number[], until: number) {
  const detector = new PhiDetector(OPTIONS, 0);
  detector.add("a", 0);
  let next = 0;
  for (let now = 250; now <= until; now += 250) {
    for (; next < beats.length && beats[next] <= now; next++) detector.heard("a", beats[next]);
    detector.tick(now);
  }
  return detector;
}

const every = (ms: number, n: number) => Array.from({ length: n }, (_, i) => (i + 1) * ms);

/** Milliseconds of silence from which `of` holds. */
function from(detector: PhiDetector, heardAt: number, of: "suspects" | "givesUp"): number {
  for (let ms = 0; ms < 60_000; ms += 10) if (detector[of]("a", heardAt + ms)) return ms;
  return Infinity;
}

Deno.test("PhiDetector keeps its floors, however regular the heartbeats are", () => {
  const detector = watched(every(500, 60), 30_000);
  assert.equal(from(detector, 30_000, "suspects"), OPTIONS.suspectMs);
  assert.equal(from(detector, 30_000, "givesUp"), OPTIONS.deadMs);
});

Deno.test("PhiDetector gives a node behind an uneven link more time", () => {
  const random = seededRandom(7);
  const beats: number[] = [];
  for (let at = 0; at < 300_000; beats.push(at)) at += 500 + 6_000 * random() ** 3;
  const last = beats.at(-1)!;
  const detector = watched(beats, last);
  const suspects = from(detector, last, "suspects");
  const givesUp = from(detector, last, "givesUp");
  assert.ok(suspects > 3_000 && suspects < 12_000, `${suspects}`);
  assert.ok(givesUp > 8_000 && givesUp < 20_000, `${givesUp}`);
  for (let i = 1; i < beats.length; i++) {
    assert.ok(beats[i] - beats[i - 1] < givesUp, "none of these pauses would have meant dead");
  }
});

Deno.test("PhiDetector gives a node more time until it knows it, and never more than the longest", () => {
  const detector = watched(every(500, 2), 1_000);
  assert.ok(from(detector, 1_000, "givesUp") > 6_000);
  const slow = watched(every(25_000, 12), 300_000);
  assert.equal(from(slow, 300_000, "givesUp"), OPTIONS.mostMs);
});

Deno.test("PhiDetector takes heartbeats that follow each other closely for one", () => {
  const detector = watched(every(1, 30_000), 30_000);
  assert.equal(detector.suspects("a", 31_000), false, "a pause after a thousand frames a second");
  assert.equal(from(detector, 30_000, "givesUp"), OPTIONS.deadMs);
});

Deno.test("PhiDetector.tick() does not count the time for which it was late", () => {
  const detector = watched(every(500, 60), 30_000);
  assert.equal(detector.tick(90_000), 59_750);
  assert.ok(detector.silence("a", 90_000) <= OPTIONS.tickMs, "answers of a minute may wait");
  assert.equal(detector.suspects("a", 90_000), false);
  for (let now = 90_250; now <= 94_000; now += 250) assert.equal(detector.tick(now), 0);
  assert.equal(detector.givesUp("a", 94_000), false);
  for (let now = 94_250; now <= 96_000; now += 250) detector.tick(now);
  assert.equal(detector.givesUp("a", 96_000), true);
});

Deno.test("PhiDetector.suspects() waits a second after lateness, and for as many checks as deadMs has at most", () => {
  const detector = watched(every(500, 60), 30_000);
  for (let now = 30_250; now <= 31_250; now += 250) detector.tick(now);
  assert.equal(detector.tick(31_600), 100);
  assert.equal(detector.suspects("a", 31_700), false, "it may have come and not be read yet");
  assert.equal(detector.suspects("a", 32_600), true);
  // An observer that is late each time: 250 of each 400 ms count, and nothing for 20 checks.
  const busy = watched(every(500, 60), 30_000);
  const at = { suspects: 0, givesUp: 0 };
  for (let checks = 1; checks < 60; checks++) {
    const now = 30_000 + 400 * checks;
    busy.tick(now);
    if (!at.suspects && busy.suspects("a", now)) at.suspects = checks;
    if (!at.givesUp && busy.givesUp("a", now)) at.givesUp = checks;
  }
  assert.deepEqual(at, { suspects: 21, givesUp: 21 });
});

Deno.test("PhiDetector.readingMs follows the lateness of checks, and soon forgets it", () => {
  const detector = watched(every(500, 60), 30_000);
  let now = 30_000;
  const tick = (late: number) => {
    detector.tick(now += OPTIONS.tickMs + late);
    return detector.readingMs;
  };
  assert.equal(tick(0), 0);
  assert.equal(tick(40), 0, "timers are never exact");
  assert.deepEqual([tick(350), tick(100), tick(300)], [1_400, 700, 1_200]);
  assert.deepEqual([tick(0), tick(0), tick(0)], [600, 300, 0]);
});

Deno.test("PhiDetector.add() forgets what was known of a node", () => {
  const detector = watched(every(500, 60), 30_000);
  detector.add("a", 100_000);
  assert.equal(detector.silence("a", 100_000), 0);
  assert.equal(detector.phi("a", 100_000) < 1, true);
  detector.forget("a");
  assert.equal(detector.phi("a", 1e9), 0);
  assert.equal(detector.givesUp("a", 1e9), false);
});
