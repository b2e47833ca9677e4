import assert from "node:assert/strict";
import { ECHO_BYTES } from "../../actors/mod.ts";
import { probeLink } from "./links.ts";

/** A link in virtual time: round trip in milliseconds, bytes a millisecond up and down. */
function link(roundTripMs: number, up: number, down: number) {
  let now = 0;
  const sizes: number[] = [];
  const echo = ({ bytes, replyBytes }: { bytes: number; replyBytes: number }) => {
    sizes.push(bytes, replyBytes);
    now += roundTripMs + bytes / up + replyBytes / down;
    return Promise.resolve();
  };
  return { probe: () => probeLink(echo, () => now), sizes, elapsed: () => now };
}

Deno.test("probeLink() finds latency and both directions' bandwidth", async () => {
  const { probe, sizes } = link(2, 12_500, 50_000);
  const { seconds, bytes_per_s, bytes_per_s_back } = await probe();
  assert.ok(Math.abs(seconds - 0.001) < 1e-9);
  assert.ok(Math.abs(bytes_per_s / 12.5e6 - 1) < 0.001, String(bytes_per_s));
  assert.ok(Math.abs(bytes_per_s_back / 50e6 - 1) < 0.001, String(bytes_per_s_back));
  assert.ok(Math.max(...sizes) <= ECHO_BYTES);
});

Deno.test("probeLink() takes under a second on a link of 10 Mbit/s", async () => {
  const { probe, elapsed } = link(10, 1_250, 1_250);
  await probe();
  assert.ok(elapsed() < 1_000, `${elapsed()} ms`);
});

Deno.test("probeLink() stays finite, when a link takes no time at all", async () => {
  const { probe } = link(0, Infinity, Infinity);
  const report = await probe();
  assert.equal(report.seconds, 0);
  assert.ok(Number.isFinite(report.bytes_per_s) && report.bytes_per_s > 1e9);
});
