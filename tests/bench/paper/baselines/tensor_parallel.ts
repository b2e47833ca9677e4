/**
 * Parallelism inside a layer with equal shares: Megatron-LM and DeTransformer.
 *
 * @module
 */
import type { ModelShape } from "../../../../planner/types.ts";
import {
  type BaselineRequest,
  type BaselineSeconds,
  evenShares,
  exchangeSeconds,
  type Fleet,
  hiddenBytes,
  layerProduct,
  requestSeconds,
  sharedHeadSeconds,
  sharedProductSeconds,
} from "./fleet.ts";

/**
 * Seconds where every board computes one N-th of each layer, with so many all-reduces of the hidden
 * states a layer. One more sums the embeddings, whose table is cut by the vocabulary, as the LM
 * head is.
 */
function equalShares(
  fleet: Fleet,
  model: ModelShape,
  work: { request: BaselineRequest; reducesPerLayer: number },
): BaselineSeconds {
  const shares = evenShares(fleet.boards.length);
  return requestSeconds(work.request, (rows) => {
    const reduce_s = exchangeSeconds(fleet, "all-reduce", hiddenBytes(model, rows));
    const layer_s = sharedProductSeconds(fleet.boards, shares, {
      product: layerProduct(model),
      rows,
    });
    return model.layers * (layer_s + work.reducesPerLayer * reduce_s) + reduce_s +
      sharedHeadSeconds(fleet, shares, model);
  });
}

/**
 * Megatron-LM (Shoeybi et al., arXiv 1909.08053, section 3): attention is cut by heads and the
 * feed-forward part by columns, then rows, so that each of the two ends with one all-reduce: two a
 * layer, in prefill and for every token.
 */
export function megatron(
  fleet: Fleet,
  model: ModelShape,
  request: BaselineRequest,
): BaselineSeconds {
  return equalShares(fleet, model, { request, reducesPerLayer: 2 });
}

/**
 * DeTransformer (Wei et al., "Communication-Efficient Model Parallelism for Distributed In-situ
 * Transformer Inference", DATE 2024): a layer is rebuilt as sub-blocks that do not depend on each
 * other, one for each board, each with its own attention and feed-forward part; boards add up their
 * hidden states only between layers: one all-reduce a layer. Assumed: every layer is rebuilt, and
 * the sub-blocks are equal and hold together as many weights as the layer did.
 */
export function detransformer(
  fleet: Fleet,
  model: ModelShape,
  request: BaselineRequest,
): BaselineSeconds {
  return equalShares(fleet, model, { request, reducesPerLayer: 1 });
}
