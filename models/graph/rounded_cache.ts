/**
 * Keys and values as an int8 cache would hold them, to measure what that would cost. No engine
 * stores them so (docs/decisions.md says why).
 *
 * @module
 */
import type { GraphBuilder, Value } from "./builder.ts";

/** The largest code of an int8 element. */
const INT8_MAX = 127;
/** Stands for the scale of a head of zeros, so that nothing is divided by 0. */
const LEAST_SCALE = 1e-30;

/**
 * Rounds keys or values (1, S, count*dim) to int8 and back, symmetric, with one scale max|head| / 127
 * for each row and head.
 */
export function roundedHeads(
  graph: GraphBuilder,
  path: string,
  x: Value,
  { count, dim }: { count: number; dim: number },
): Value {
  const heads = graph.node("Reshape", `${path}/heads/Reshape`, [
    x,
    graph.ints(`${path}/heads`, [0, 0, count, dim]),
  ]);
  const most = graph.node("ReduceMax", `${path}/ReduceMax`, [
    graph.node("Abs", `${path}/Abs`, [heads]),
    graph.ints("/rounded_cache/axis", [3]),
  ], { attributes: { keepdims: 1 } });
  const scale = graph.node("Max", `${path}/Max`, [
    graph.node("Div", `${path}/scale/Div`, [most, graph.float("/rounded_cache/codes", INT8_MAX)]),
    graph.float("/rounded_cache/least", LEAST_SCALE),
  ]);
  const codes = graph.node("Round", `${path}/Round`, [
    graph.node("Div", `${path}/Div`, [heads, scale]),
  ]);
  return graph.node("Reshape", `${path}/rows/Reshape`, [
    graph.node("Mul", `${path}/Mul`, [codes, scale]),
    graph.ints(`${path}/rows`, [0, 0, count * dim]),
  ]);
}
