import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { Server, type TimedJob, VirtualClock } from "./clock.ts";

/** Runs a clock until nothing is left. */
const finish = (clock: VirtualClock) => {
  while (clock.step());
};

/** A job of `seconds` that notes when it ends, or is ended early. */
const job = (log: string[], name: string, seconds: number | undefined): TimedJob => ({
  begin: () => seconds,
  end: (start_s) => log.push(`${name} from ${start_s}`),
  cut: (start_s) => log.push(`${name} cut, from ${start_s}`),
});

Deno.test("VirtualClock.step() runs callbacks in the order of moments, then of their addition", () => {
  const clock = new VirtualClock();
  const seen: [number, number][] = [];
  const moments = [5, 1, 3, 1, 4, 2, 5, 0, 3, 1];
  for (const [i, at] of moments.entries()) clock.at(at, () => seen.push([clock.now, i]));
  finish(clock);
  const expected = moments.map((at, i): [number, number] => [at, i])
    .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  assert.deepEqual(seen, expected);
  assert.equal(clock.step(), false);
});

Deno.test("VirtualClock.at() refuses moments that are past, infinite or not a number", () => {
  const clock = new VirtualClock();
  clock.at(2, () => {});
  finish(clock);
  for (const at of [1, NaN, Infinity]) {
    assert.throws(() => clock.at(at, () => {}), (e) => hasCode(e, "bad_simulation_time"));
  }
});

Deno.test("Server.push() does one job after the other, and skips those that are not needed", () => {
  const clock = new VirtualClock();
  const server = new Server(clock);
  const log: string[] = [];
  server.push(job(log, "a", 2));
  server.push(job(log, "b", undefined));
  server.push(job(log, "c", 3));
  finish(clock);
  assert.deepEqual([log, clock.now], [["a from 0", "c from 2"], 5]);
});

Deno.test("Server.remove() ends a job early, and the next one begins", () => {
  const clock = new VirtualClock();
  const server = new Server(clock);
  const log: string[] = [];
  const [first, waiting] = [job(log, "a", 10), job(log, "b", 1)];
  server.push(first);
  server.push(waiting);
  server.push(job(log, "c", 1));
  clock.at(4, () => {
    server.remove(waiting);
    server.remove(first);
  });
  finish(clock);
  assert.deepEqual(log, ["a cut, from 0", "c from 4"]);
});

Deno.test("Server.clear() ends the current job early, and forgets those that wait", () => {
  const clock = new VirtualClock();
  const server = new Server(clock);
  const log: string[] = [];
  server.push(job(log, "a", 10));
  server.push(job(log, "b", 1));
  clock.at(1, () => server.clear());
  clock.at(2, () => server.push(job(log, "c", 1)));
  finish(clock);
  assert.deepEqual(log, ["a cut, from 0", "c from 2"]);
});
