/**
 * What the baselines run on, and the parts that they share. All of it is pure.
 *
 * @module
 */
import type { ModelShape } from "../../../../planner/types.ts";
import {
  type BoardSpeed,
  boardSpeed,
  type Hardware,
  LAYER_MATRICES,
  linkSpeed,
  type Product,
  productSeconds,
} from "../hardware.ts";
import { BOARDS, type Environment } from "../published.ts";
import { collectiveSeconds, type Network, type Operation, type Way } from "./collectives.ts";

/** Boards in the paper's order, links, and the way of their collectives. */
export interface Fleet extends Omit<Network, "boards"> {
  boards: BoardSpeed[];
}

/** One request: tokens of its prompt and of its answer. */
export interface BaselineRequest {
  prompt: number;
  tokens: number;
}

/** Predicted seconds of one request. */
export interface BaselineSeconds {
  /** Until the first token. */
  prefill_s: number;
  /** Of every further token. */
  decode_s: number;
  /** Of the whole request. */
  seconds: number;
}

/** Bytes of one number of a 16-bit tensor, which is what boards send. */
export const TENSOR_BYTES = 2;

/** The boards and links of the paper. */
export function paperFleet(
  hardware: Hardware,
  at: { environment: Environment; mbit: number; way: Way },
): Fleet {
  return {
    boards: BOARDS[at.environment].map((board) => boardSpeed(board, hardware)),
    link: linkSpeed(hardware, at.mbit),
    way: at.way,
  };
}

/** The request's seconds, where one frame of so many rows takes what a function says. */
export function requestSeconds(
  { prompt, tokens }: BaselineRequest,
  frameSeconds: (rows: number) => number,
): BaselineSeconds {
  const [prefill_s, decode_s] = [frameSeconds(prompt), frameSeconds(1)];
  return { prefill_s, decode_s, seconds: prefill_s + (tokens - 1) * decode_s };
}

/** Seconds of one collective in a fleet. */
export function exchangeSeconds(fleet: Fleet, operation: Operation, bytes: number): number {
  return collectiveSeconds(operation, bytes, { ...fleet, boards: fleet.boards.length });
}

/**
 * Seconds until the slowest board is done with its share of a product: its part of the weights of
 * every matrix. All boards start every matrix, except one that has no share.
 */
export function sharedProductSeconds(
  boards: BoardSpeed[],
  shares: number[],
  work: { product: Product; rows: number },
): number {
  const { product: { matrices, macs }, rows } = work;
  return Math.max(
    ...boards.map((board, i) =>
      shares[i] === 0 ? 0 : productSeconds(board, { matrices, macs: macs * shares[i] }, rows)
    ),
  );
}

/** One N-th for each board. */
export function evenShares(boards: number): number[] {
  return new Array<number>(boards).fill(1 / boards);
}

/** All matrices of one layer. */
export function layerProduct(model: ModelShape): Product {
  return { matrices: LAYER_MATRICES, macs: model.macsPerRow };
}

/** The LM head. */
export function headProduct(model: ModelShape): Product {
  return { matrices: 1, macs: model.hidden * model.vocab };
}

/** Bytes of the hidden states of so many rows. */
export function hiddenBytes(model: ModelShape, rows: number): number {
  return rows * model.hidden * TENSOR_BYTES;
}

/**
 * Seconds of the LM head for one row, cut by its vocabulary, and of gathering the logits on every
 * board (Megatron-LM, section 3, "parallel output embedding").
 */
export function sharedHeadSeconds(fleet: Fleet, shares: number[], model: ModelShape): number {
  return sharedProductSeconds(fleet.boards, shares, { product: headProduct(model), rows: 1 }) +
    exchangeSeconds(fleet, "all-gather", model.vocab * TENSOR_BYTES);
}
