/**
 * Sequence parallelism (Li et al., "Sequence Parallelism: Long Sequence Training from System
 * Perspective", ACL 2023): every board has the whole model and computes a part of the prompt.
 *
 * @module
 */
import type { ModelShape } from "../../../../planner/types.ts";
import { productSeconds } from "../hardware.ts";
import {
  type BaselineRequest,
  type BaselineSeconds,
  exchangeSeconds,
  type Fleet,
  headProduct,
  hiddenBytes,
  layerProduct,
} from "./fleet.ts";

/** Bytes of a token on its way from the last board to the first. */
const TOKEN_BYTES = 4;

/**
 * Seconds of a request. Prefill: the prompt is cut into N equal parts (their ring self-attention,
 * section 3.2). In each layer all boards compute their rows, then the keys of all parts go round,
 * then the values: two gathers of `prompt x hidden`. The LM head runs on the board of the last
 * part, which sends the first token to the first board.
 *
 * Decode: one row cannot be cut. The first board has the whole model and, after those gathers, the
 * keys and values of the whole prompt, so it goes on alone and sends nothing.
 */
export function sequenceParallel(
  fleet: Fleet,
  model: ModelShape,
  { prompt, tokens }: BaselineRequest,
): BaselineSeconds {
  const { boards, link } = fleet;
  const rows = Math.ceil(prompt / boards.length);
  const layer = layerProduct(model), head = headProduct(model);
  const slowest_s = Math.max(...boards.map((board) => productSeconds(board, layer, rows)));
  const gather_s = exchangeSeconds(fleet, "all-gather", hiddenBytes(model, prompt));
  const token_s = boards.length === 1 ? 0 : link.message_s + TOKEN_BYTES / link.bytesPerS;
  const prefill_s = model.layers * (slowest_s + 2 * gather_s) +
    productSeconds(boards.at(-1)!, head, 1) + token_s;
  const decode_s = model.layers * productSeconds(boards[0], layer, 1) +
    productSeconds(boards[0], head, 1);
  return { prefill_s, decode_s, seconds: prefill_s + (tokens - 1) * decode_s };
}
