/**
 * Attention over the rows of an arena. Shapes: S rows, N heads, KV KV heads, D head_dim, P D rounded
 * up, C rows of the arena, T those that a row may see.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import { addend, type StageScope, type View, type Weight } from "./blocks.ts";
import type { Value } from "./builder.ts";
import { kvNames } from "./contract.ts";
import { cacheDim } from "./row_caches.ts";
import { roundedHeads } from "./rounded_cache.ts";

/** Heads that stand beside each other in a row, and their elements. */
export interface Heads {
  count: number;
  dim: number;
}

/** Names of the inputs and outputs that hold the rows of a layer. */
interface RowNames {
  pastKey: string;
  pastValue: string;
  presentKey: string;
  presentValue: string;
}

/** Options of {@linkcode attend}. */
export interface AttendOptions {
  /** Heads of the queries; their size is also that of keys and values. */
  queries: Heads;
  /** Heads of keys and values: a divisor of those of the queries. */
  kvHeads: number;
  /** Where the rows are kept. */
  names: RowNames;
  /** Scores (N) of their own beside those of the rows. @default none */
  sinks?: Weight;
}

/**
 * Attention over the layer's arena: rotates q (1, S, N*D) and k (1, S, KV*D), writes k and v at
 * slots T-S .. T-1 of the buffers (1, KV, C, P), attends -> (1, S, N*D). `sinks` (N) are scores of
 * their own beside those of the rows. `rotated` is applied to the rotated queries and keys.
 */
export function attention(
  stage: StageScope,
  path: string,
  layer: number,
  view: View,
  [q, k, v]: [Value, Value, Value],
  sinks: Weight | undefined,
  rotated: (x: Value, part: "q" | "k", count: number) => Value = (x) => x,
): Value {
  const { heads, kv_heads, head_dim: dim } = stage.geometry;
  const turned = (x: Value, part: "q" | "k", count: number) =>
    rotated(rotate(stage, `${path}/${part}_rotary`, x, count, view), part, count);
  return attend(stage, path, view, [turned(q, "q", heads), turned(k, "k", kv_heads), v], {
    queries: { count: heads, dim },
    kvHeads: kv_heads,
    names: kvNames(layer),
    sinks,
  });
}

/** Rotates `count` heads (1, S, count*n) by the angles of their positions -> the same. */
export function rotate(
  { graph, geometry: { rope, attention }, attention: shared }: StageScope,
  path: string,
  x: Value,
  count: number,
  { rotary }: View,
): Value {
  if (!rotary) return x;
  const partial = rope.dims !== undefined && !attention?.latent;
  return graph.contrib("RotaryEmbedding", `${path}/RotaryEmbedding`, [
    x,
    shared.positions,
    rotary.cos,
    rotary.sin,
  ], {
    attributes: {
      interleaved: rope.interleaved ? 1 : 0,
      num_heads: count,
      ...(partial && { rotary_embedding_dim: rope.dims! }),
    },
  });
}

/**
 * Writes k and v (1, S, KV*D) at slots T-S .. T-1 of the buffers (1, KV, C, P), and attends with q
 * (1, S, N*D) -> (1, S, N*D). All are rotated already.
 *
 * The operator itself only adds the causal mask by slot (row s sees slots up to T-S+s); the bias
 * hides the rest, so rows may be a tree. Keys are stored rotated.
 *
 * Measured on onnxruntime 1.30: GroupQueryAttention with `do_rotary` takes only the first of
 * `position_ids` when S = T and counts on from there, which is wrong for a tree in the first frame;
 * so rotation is an operator of its own. It refuses a D that is not a multiple of 8: such heads are
 * filled up with zeros, which change neither scores nor sums.
 */
export function attend(
  stage: StageScope,
  path: string,
  { bias, pastRows, totalRows }: View,
  [q, k, v]: [Value, Value, Value],
  { queries, kvHeads, names, sinks }: AttendOptions,
): Value {
  const { graph, geometry } = stage;
  const { count, dim } = queries;
  const cached = cacheDim(dim);
  const dims = [1, kvHeads, "capacity", cached];
  const filled = (x: Value, part: string, heads: number) =>
    resizeHeads(stage, `${path}/${part}/fill`, x, heads, dim, cached);
  const kept = (x: Value, part: string) =>
    filled(
      stage.roundedCache
        ? roundedHeads(graph, `${path}/${part}/rounded`, x, { count: kvHeads, dim })
        : x,
      part,
      kvHeads,
    );
  const { pastKey, pastValue, presentKey, presentValue } = names;
  for (const past of new Set([pastKey, pastValue])) graph.input(past, "f32", dims);
  const key = kept(k, "k");
  const name = `${path}/GroupQueryAttention`;
  const softcap = geometry.attention?.softcap;
  const output = graph.contrib("GroupQueryAttention", name, [
    filled(q, "q", count),
    key,
    v === k ? key : kept(v, "v"),
    ...[pastKey, pastValue, pastRows, totalRows, "", "", "", bias],
    ...(sinks ? [addend(stage, `${path}/sinks`, sinks)] : []),
  ], {
    attributes: {
      num_heads: count,
      kv_num_heads: kvHeads,
      scale: { float: scaleOf(geometry) },
      ...(softcap === undefined ? {} : { softcap: { float: softcap } }),
      do_rotary: 0,
    },
    outputs: [`${name}/output_0`, presentKey, presentValue],
  });
  for (const present of [presentKey, presentValue]) graph.output(present, "f32", dims);
  return resizeHeads(stage, `${path}/trim`, output, count, cached, dim);
}

/** Factor of the scores. */
const scaleOf = ({ attention, head_dim }: Geometry): number =>
  attention?.scale ?? 1 / Math.sqrt(head_dim);

/** (1, S, count*from) -> (1, S, count*to): zeros at the end of each head, or its end cut off. */
function resizeHeads(
  stage: StageScope,
  path: string,
  x: Value,
  count: number,
  from: number,
  to: number,
): Value {
  if (from === to) return x;
  const { graph } = stage;
  const heads = graph.node("Reshape", `${path}/heads/Reshape`, [
    x,
    graph.ints(`${path}/heads`, [0, 0, count, from]),
  ]);
  const sized = to > from
    ? graph.node("Pad", `${path}/Pad`, [
      heads,
      graph.ints(`${path}/pads`, [0, 0, 0, 0, 0, 0, 0, to - from]),
    ])
    : graph.node("Slice", `${path}/Slice`, [
      heads,
      ...[0, to, 3].map((n, i) => graph.ints(`${path}/${["start", "end", "axis"][i]}`, [n])),
    ]);
  return graph.node("Reshape", `${path}/rows/Reshape`, [
    sized,
    graph.ints(`${path}/rows`, [0, 0, count * to]),
  ]);
}
