/**
 * Galaxy (Ye et al., "Galaxy: A Resource-Efficient Collaborative Edge AI System for In-situ
 * Transformer Inference", INFOCOM 2024, arXiv 2405.17245).
 *
 * @module
 */
import type { ModelShape } from "../../../../planner/types.ts";
import { type BoardSpeed, type Product, productSeconds } from "../hardware.ts";
import {
  type BaselineRequest,
  type BaselineSeconds,
  exchangeSeconds,
  type Fleet,
  hiddenBytes,
  layerProduct,
  requestSeconds,
  sharedHeadSeconds,
  sharedProductSeconds,
} from "./fleet.ts";

/**
 * Share of each board: in proportion to its capacity, which is one over its time for a whole layer
 * of the prompt (section III-C, first step of the workload planning). The second step, which moves
 * what a board's memory cannot hold, is not needed for the paper's models, and shares are not
 * rounded to whole attention heads.
 */
export function capacityShares(boards: BoardSpeed[], model: ModelShape, rows: number): number[] {
  const capacities = boards.map((board) => 1 / productSeconds(board, layerProduct(model), rows));
  const sum = capacities.reduce((a, b) => a + b);
  return capacities.map((capacity) => capacity / sum);
}

/**
 * Seconds of a product and a ring that run at the same time, tile by tile (section III-D): N tiles
 * are computed, and a tile's step of the ring goes on while the next is computed; one of N - 1
 * steps takes its part of `exchange_s`. One tile is not covered by communication.
 */
export function overlapSeconds(tile_s: number, exchange_s: number, boards: number): number {
  if (boards === 1) return tile_s;
  return tile_s + (boards - 1) * Math.max(tile_s, exchange_s / (boards - 1));
}

/** The products of a layer between which Galaxy communicates, in order. */
function productsOf({ hidden, macsPerRow }: ModelShape): Product[] {
  const square = hidden ** 2;
  // Three matrices of the feed-forward part share what is left: gate, up, down.
  const third = (macsPerRow - 4 * square) / 3;
  return [
    { matrices: 3, macs: 3 * square },
    { matrices: 1, macs: square },
    { matrices: 2, macs: 2 * third },
    { matrices: 1, macs: third },
  ];
}

/**
 * Seconds of a request. Attention and the feed-forward part are cut among the boards as in
 * Megatron-LM, by {@linkcode capacityShares}; what is between them is cut by rows. So an all-gather
 * precedes each part and a reduce-scatter follows it, and each of these four is hidden behind the
 * product beside it: query-key-value, output, gate-up, down. A tile is a product of its own, which
 * starts every matrix and reads the weights again; where hiding would take longer than doing one
 * after the other, it is not done. One row cannot be cut, so for further tokens nothing is hidden.
 * The ends are those of Megatron-LM, without the sum of embeddings, since every board looks up its
 * own rows.
 */
export function galaxy(
  fleet: Fleet,
  model: ModelShape,
  request: BaselineRequest,
): BaselineSeconds {
  const { boards } = fleet;
  const shares = capacityShares(boards, model, request.prompt);
  return requestSeconds(request, (rows) => {
    const bytes = hiddenBytes(model, rows);
    const gather_s = exchangeSeconds(fleet, "all-gather", bytes);
    const scatter_s = exchangeSeconds(fleet, "reduce-scatter", bytes);
    let layer_s = 0;
    for (const [i, product] of productsOf(model).entries()) {
      const exchange_s = i % 2 === 0 ? gather_s : scatter_s;
      const plain_s = sharedProductSeconds(boards, shares, { product, rows }) + exchange_s;
      const tile = { product, rows: rows / boards.length };
      const tile_s = sharedProductSeconds(boards, shares, tile);
      const hidden_s = overlapSeconds(tile_s, exchange_s, boards.length);
      layer_s += rows < boards.length ? plain_s : Math.min(plain_s, hidden_s);
    }
    return model.layers * layer_s + sharedHeadSeconds(fleet, shares, model);
  });
}
