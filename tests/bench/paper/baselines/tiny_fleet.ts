/**
 * Boards, links and a model so small that tests can compute by hand.
 *
 * @module
 */
import type { ModelShape } from "../../../../planner/types.ts";
import type { BoardSpeed } from "../hardware.ts";
import type { Fleet } from "./fleet.ts";

/** Two layers with 160 weights each, hidden size 4 (8 bytes a row), 10 words. */
export const TINY_MODEL: ModelShape = {
  name: "tiny",
  layers: 2,
  hidden: 4,
  vocab: 10,
  context: 16,
  layerBytes: [160, 160],
  embedBytes: 80,
  headBytes: 80,
  tied: false,
  kvBytesPerRow: 16,
  macsPerRow: 160,
  macsPerPastRow: 8,
};

/** A board whose whole layer takes `7 + 1.6 rows` seconds, and its LM head 1.4. */
export const TINY_BOARD: BoardSpeed = { launch_s: 1, read_s: 0, compute_s: 0.01 };

/** Equal boards, rings; a message takes 2 seconds, and 1 more for each row of hidden states. */
export function tinyFleet(boards: number): Fleet {
  return {
    boards: new Array<BoardSpeed>(boards).fill(TINY_BOARD),
    link: { message_s: 2, bytesPerS: 8 },
    way: "ring",
  };
}

/** A prompt of 4 tokens, an answer of 3. */
export const TINY_REQUEST = { prompt: 4, tokens: 3 };
