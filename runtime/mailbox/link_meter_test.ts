import assert from "node:assert/strict";
import fc from "fast-check";
import { ArrivalTimer, LARGE_BYTES, LinkMeter } from "./link_meter.ts";

const PING_MS = 2_000;

/** A link in virtual time, pinged every two seconds. */
class PingedLink {
  readonly meter = new LinkMeter(0);
  now = 0;
  bytes = 0;

  /** Pings for so many seconds; `bytes`: what else the link carries between two pings. */
  ping(seconds: number, ms: (i: number) => number, bytes = 500): void {
    for (let i = 0; i < seconds * 1000 / PING_MS; i++) {
      this.now += PING_MS;
      this.bytes += bytes;
      this.meter.pinged(this.now, { ms: ms(i), bytes: this.bytes });
    }
  }

  /** Large messages that come one a second, at these rates in bytes a second. */
  receive(...rates: number[]): void {
    for (const rate of rates) {
      this.now += 1000;
      const bytes = 500_000;
      this.meter.received(this.now, { bytes, ms: bytes / rate * 1000, others: 0 });
    }
  }

  get figures() {
    return this.meter.figures(this.now);
  }
}

Deno.test("LinkMeter.figures() knows the round trip after half a minute, and forgets it when no pings are answered", () => {
  const link = new PingedLink();
  link.ping(18, () => 3);
  assert.equal(link.figures.roundTripMs, undefined, "two spans");
  link.ping(12, () => 3);
  assert.equal(link.figures.roundTripMs, 3);
  link.now += 80_000;
  assert.equal(link.figures.roundTripMs, undefined);
});

Deno.test("LinkMeter.figures() takes no load and no outlier for the round trip", () => {
  const slow = fc.array(fc.double({ min: 5, max: 2_000, noNaN: true }), { minLength: 30 });
  fc.assert(fc.property(slow, fc.nat(4), (slow, quiet) => {
    const link = new PingedLink();
    // One ping in ten seconds finds the link free.
    link.ping(60, (i) => i % 5 === quiet ? 5 : slow[i % slow.length]);
    assert.equal(link.figures.roundTripMs, 5);
  }));
  const link = new PingedLink();
  link.ping(60, () => 5);
  link.ping(10, () => 0.1);
  link.ping(10, () => 300);
  assert.equal(link.figures.roundTripMs, 5, "ten seconds of either sort change nothing");
});

Deno.test("LinkMeter.figures() follows a link that becomes slower or faster within a minute", () => {
  for (const [before, after] of [[2, 80], [80, 2]]) {
    const link = new PingedLink();
    link.ping(120, () => before);
    link.ping(60, () => after);
    assert.equal(link.figures.roundTripMs, after);
  }
});

Deno.test("LinkMeter.pinged() does not count pings that share the link with a transfer", () => {
  const link = new PingedLink();
  link.ping(60, () => 2);
  const full = 1_000_000; // bytes in two seconds, of the 2.5 million that 10 Mbit/s carry
  link.ping(40, () => 150, full);
  assert.equal(link.figures.roundTripMs, 2);
  link.ping(600, () => 150, full);
  assert.equal(link.figures.roundTripMs, undefined, "nothing is claimed");
  link.receive(100e6, 100e6, 100e6, 100e6);
  link.ping(60, () => 2, full);
  assert.equal(link.figures.roundTripMs, 2, "of a link with 800 Mbit/s that is little");
});

Deno.test("LinkMeter.figures() tells for how long nothing but heartbeats went over the link", () => {
  const link = new PingedLink();
  link.ping(100, () => 2);
  assert.equal(link.figures.quietMs, 100_000);
  link.ping(10, () => 2, 20_000);
  assert.equal(link.figures.quietMs, 0);
  link.ping(30, () => 2);
  assert.equal(link.figures.quietMs, 30_000);
});

Deno.test("LinkMeter.figures() has a bandwidth after four large messages, which slow ones lower only in number", () => {
  const link = new PingedLink();
  link.receive(50e6, 1e6, 50e6);
  assert.equal(link.figures.bytesPerS, undefined);
  link.receive(1e6);
  assert.equal(Math.round(link.figures.bytesPerS!), 50e6);
  assert.equal(link.figures.ageMs, 0);
  link.receive(50e6, 50e6, 50e6, 900e6);
  assert.equal(Math.round(link.figures.bytesPerS!), 50e6, "one that was read late is not believed");
  link.receive(2e6, 2e6, 2e6, 2e6);
  assert.equal(Math.round(link.figures.bytesPerS!), 50e6);
  link.receive(2e6, 2e6, 2e6);
  assert.equal(Math.round(link.figures.bytesPerS!), 2e6);
  link.now += 3600_000;
  assert.equal(Math.round(link.figures.bytesPerS!), 2e6, "what was measured last stays");
  assert.equal(link.figures.ageMs, 3600_000);
  link.receive(70e6);
  assert.equal(Math.round(link.figures.bytesPerS!), 2e6, "one message is no measurement");
  link.receive(70e6, 70e6, 70e6);
  assert.equal(Math.round(link.figures.bytesPerS!), 70e6);
});

Deno.test("LinkMeter.received() does not count what other nodes' messages slowed down, or took no time", () => {
  const meter = new LinkMeter(0);
  for (let i = 0; i < 9; i++) {
    meter.received(i, { bytes: 500_000, ms: 100, others: 200_000 });
    meter.received(i, { bytes: 500_000, ms: 0.5, others: 0 });
  }
  assert.equal(meter.figures(10).bytesPerS, undefined);
});

Deno.test("ArrivalTimer.chunk() finds the rate of large messages however they are cut", () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 90_000 }), { minLength: 1, maxLength: 40 });
  const sizes = fc.array(fc.constantFrom(10, 3_000, LARGE_BYTES, 400_000), { maxLength: 6 });
  fc.assert(fc.property(sizes, cuts, (sizes, cuts) => {
    const timer = new ArrivalTimer();
    const ends = sizes.map((_, i) => sizes.slice(0, i + 1).reduce((a, b) => a + b));
    let at = 0;
    let timed = 0;
    for (let n = 0; at < (ends.at(-1) ?? 0); n++) {
      const bytes = cuts[n % cuts.length];
      const i = ends.findIndex((end) => end > at);
      const begin = ends[i] - sizes[i];
      const pending = at > begin ? { have: at - begin, want: sizes[i] } : undefined;
      // 8 bytes a millisecond, so that no time is rounded: a chunk is there when its last byte is.
      const part = timer.chunk((at + bytes) / 8, { bytes, pending, total: at });
      at += bytes;
      if (!part) continue;
      timed++;
      assert.ok(sizes[i] >= LARGE_BYTES && part.bytes <= 0.75 * sizes[i]);
      assert.equal(part.others, 0);
      // The last chunk may hold the beginning of the next message.
      assert.ok(part.ms >= part.bytes / 8 && part.ms < (part.bytes + bytes) / 8);
    }
    const large = sizes.filter((size) => size >= LARGE_BYTES).length;
    assert.ok(timed <= large);
    if (Math.max(...cuts) < LARGE_BYTES / 4) assert.equal(timed, large);
  }));
});

Deno.test("ArrivalTimer.chunk() tells what came from other nodes meanwhile", () => {
  const timer = new ArrivalTimer();
  const want = 400_000;
  assert.equal(timer.chunk(0, { bytes: 100_000, pending: undefined, total: 0 }), undefined);
  assert.equal(
    timer.chunk(10, { bytes: 100_000, pending: { have: 100_000, want }, total: 100_000 }),
    undefined,
  );
  // 50 000 bytes of another node come here.
  assert.equal(
    timer.chunk(30, { bytes: 100_000, pending: { have: 200_000, want }, total: 250_000 }),
    undefined,
  );
  assert.deepEqual(
    timer.chunk(40, { bytes: 150_000, pending: { have: 300_000, want }, total: 350_000 }),
    { bytes: 200_000, ms: 30, others: 50_000 },
  );
});
