import assert from "node:assert/strict";
import { sequenceParallel } from "./sequence_parallel.ts";
import { TINY_MODEL, TINY_REQUEST, tinyFleet } from "./tiny_fleet.ts";

const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

Deno.test("sequenceParallel() gathers keys and values a layer, then decodes on one board", () => {
  const found = sequenceParallel(tinyFleet(2), TINY_MODEL, TINY_REQUEST);
  // Two rows a board: 7 + 1.6 * 2. A gather is one message (2 s) of two rows (2 s); two a layer.
  const layer_s = 10.2 + 2 * 4;
  // LM head on the last board; 4 bytes of a token in one message.
  near(found.prefill_s, 2 * layer_s + 1.4 + (2 + 4 / 8));
  near(found.decode_s, 2 * (7 + 1.6) + 1.4);
  near(found.seconds, found.prefill_s + 2 * found.decode_s);
});

Deno.test("sequenceParallel() on one board sends nothing", () => {
  const found = sequenceParallel(tinyFleet(1), TINY_MODEL, TINY_REQUEST);
  near(found.prefill_s, 2 * (7 + 1.6 * 4) + 1.4);
});

Deno.test("sequenceParallel() waits for the slowest board in prefill, and decodes on the first", () => {
  const fleet = tinyFleet(2);
  const slow = { launch_s: 10, read_s: 0, compute_s: 0.1 };
  const [last, first] = [[fleet.boards[0], slow], [slow, fleet.boards[0]]]
    .map((boards) => sequenceParallel({ ...fleet, boards }, TINY_MODEL, TINY_REQUEST));
  near(last.prefill_s, 2 * (102 + 2 * 4) + 14 + 2.5);
  near(last.decode_s, 18.6);
  near(first.decode_s, 186);
});

Deno.test("sequenceParallel() cuts a prompt that does not divide so that the longest part counts", () => {
  const found = sequenceParallel(tinyFleet(2), TINY_MODEL, { prompt: 5, tokens: 1 });
  near(found.seconds, 2 * (7 + 1.6 * 3 + 2 * (2 + 2.5)) + 1.4 + 2.5);
});
