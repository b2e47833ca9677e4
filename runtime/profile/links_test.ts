import assert from "node:assert/strict";
import { ECHO_BYTES } from "../../actors/mod.ts";
import { type Echo, probeLink } from "./links.ts";

/**
 * A link in virtual time: round trip in milliseconds, bytes a millisecond up and down, and the
 * milliseconds that it takes longer for each end whose caches are cold.
 */
function link(roundTripMs: number, up: number, down: number, coldMs = 0) {
  let now = 0;
  let here = false, there = false;
  const sizes: number[] = [];
  const echo: Echo = ({ bytes, replyBytes, cold = false }) => {
    sizes.push(bytes, replyBytes);
    now += roundTripMs + bytes / up + replyBytes / down + coldMs * (Number(here) + Number(there));
    [here, there] = [false, cold];
    return Promise.resolve();
  };
  const rest = (ms: number) => {
    now += ms;
    here = true;
    return Promise.resolve();
  };
  return { probe: () => probeLink(echo, { now: () => now, rest }), sizes, elapsed: () => now };
}

Deno.test("probeLink() finds latency and both directions' bandwidth", async () => {
  const { probe, sizes } = link(2, 12_500, 50_000);
  const { seconds, bytes_per_s, bytes_per_s_back } = await probe();
  assert.ok(Math.abs(seconds - 0.001) < 1e-9);
  assert.ok(Math.abs(bytes_per_s / 12.5e6 - 1) < 0.001, String(bytes_per_s));
  assert.ok(Math.abs(bytes_per_s_back / 50e6 - 1) < 0.001, String(bytes_per_s_back));
  assert.ok(Math.max(...sizes) <= ECHO_BYTES);
});

Deno.test("probeLink() counts cold caches at both ends as latency, not as bandwidth", async () => {
  const { seconds, bytes_per_s } = await link(2, 12_500, 50_000, 0.5).probe();
  assert.ok(Math.abs(seconds - 0.0015) < 1e-9, String(seconds));
  assert.ok(Math.abs(bytes_per_s / 12.5e6 - 1) < 0.01, String(bytes_per_s));
});

Deno.test("probeLink() takes about a second on a link of 10 Mbit/s", async () => {
  const { probe, elapsed } = link(10, 1_250, 1_250);
  await probe();
  assert.ok(elapsed() < 1_300, `${elapsed()} ms`);
});

Deno.test("probeLink() stays finite, when a link takes no time at all", async () => {
  const { probe } = link(0, Infinity, Infinity);
  const report = await probe();
  assert.equal(report.seconds, 0);
  assert.ok(Number.isFinite(report.bytes_per_s) && report.bytes_per_s > 1e9);
});
