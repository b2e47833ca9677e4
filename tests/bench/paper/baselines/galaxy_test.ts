import assert from "node:assert/strict";
import { capacityShares, galaxy, overlapSeconds } from "./galaxy.ts";
import { megatron } from "./tensor_parallel.ts";
import { TINY_BOARD, TINY_MODEL, TINY_REQUEST, tinyFleet } from "./tiny_fleet.ts";

const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

/** Half the LM head, and a gather of 20 bytes of logits: one message with a half of them. */
const END_S = (1 + 0.2) + (2 + 10 / 8);

Deno.test("capacityShares() are in proportion to one over a layer's time", () => {
  const slow = { launch_s: 2, read_s: 0, compute_s: 0.02 };
  const shares = capacityShares([TINY_BOARD, slow], TINY_MODEL, 4);
  near(shares[0], 2 / 3);
  near(shares[1], 1 / 3);
});

Deno.test("overlapSeconds() leaves one tile uncovered and hides the shorter of the two", () => {
  // four tiles of 1 s, three steps of a ring
  near(overlapSeconds(1, 1.5, 4), 4);
  near(overlapSeconds(1, 9, 4), 10);
  near(overlapSeconds(1, 9, 1), 1);
});

Deno.test("galaxy() hides communication in prefill, and none for single rows", () => {
  const found = galaxy(tinyFleet(2), TINY_MODEL, TINY_REQUEST);
  // Tiles of two rows with half of 48, 16, 64 and 32 weights; each exchange of four rows is one
  // message (2 s) of two rows (2 s), longer than any tile.
  const tiles = [3 + 0.48, 1 + 0.16, 2 + 0.64, 1 + 0.32];
  near(found.prefill_s, 2 * (tiles.reduce((a, b) => a + b) + 4 * 4) + END_S);
  near(found.decode_s, 2 * (7 + 0.8 + 4 * (2 + 0.5)) + END_S);
  near(found.seconds, found.prefill_s + 2 * found.decode_s);
});

Deno.test("galaxy() does not cut into tiles where that takes longer", () => {
  const fleet = { ...tinyFleet(2), link: { message_s: 0, bytesPerS: Infinity } };
  near(galaxy(fleet, TINY_MODEL, TINY_REQUEST).prefill_s, 2 * (7 + 0.8 * 4) + (1 + 0.2));
});

Deno.test("galaxy() with unequal boards is faster than megatron() on the same", () => {
  const slow = { launch_s: 1, read_s: 0, compute_s: 1 };
  const fleet = { ...tinyFleet(2), boards: [TINY_BOARD, slow] };
  assert.ok(
    galaxy(fleet, TINY_MODEL, TINY_REQUEST).seconds <
      megatron(fleet, TINY_MODEL, TINY_REQUEST).seconds,
  );
});
