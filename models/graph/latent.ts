/**
 * Latent attention (DeepSeek's MLA): keys and values of all heads come of a few numbers of each row,
 * and only these are kept.
 *
 * A key of head h is K_h c (not rotated) beside r (rotated, the same for all heads), its value V_h c,
 * where c has `rank` numbers. Its score with a query (p, s) is p . K_h c + s . r = (K_h^T p) . c + s . r:
 * so the heads' matrices move to the queries and to what is attended to, and attention itself has one
 * head of keys, (c, r), with values c, for all heads of queries. The operator wants values of the
 * size of keys: it takes the same buffer as both, and what it gives of r is cut off. So a row takes
 * `rank` and the rotated dimensions once, and not the keys and values of all heads.
 *
 * Shapes: S rows, N heads, R rank, U dimensions of a head that are not rotated, W rotated ones, V
 * elements of a value.
 *
 * @module
 */
import { attend, rotate } from "./attention.ts";
import {
  headsNorm,
  rowProduct,
  rowsOf,
  type StageScope,
  type View,
  type Weight,
} from "./blocks.ts";
import type { Value } from "./builder.ts";
import { latentNames } from "./contract.ts";

/** Added to the mean of squares in the norms of latent attention, whatever the other norms have. */
export const LATENT_EPSILON = 1e-6;

/** What latent attention reads, and its weights. */
export interface LatentInputs {
  /** Queries (1, S, N*(U+W)). */
  queries: Value;
  /** What keys and values come of, not normed yet (1, S, R+W). */
  compressed: Value;
  /** Gain of its norm [R]; f32. */
  norm: Weight;
  /** K_h transposed, of all heads below each other [N*R, U]. */
  keys: Weight;
  /** V_h, of all heads below each other [N*V, R]. */
  values: Weight;
}

/** Is told what the matrix of a head reads (S, n). */
export type NoteHead = (key: "attn.k_b" | "attn.v_b", head: number, x: Value) => void;

/** Adds latent attention -> (1, S, N*V), to which the projection `o` is yet to be applied. */
export function latentAttention(
  stage: StageScope,
  path: string,
  layer: number,
  view: View,
  { queries, compressed, norm, keys, values }: LatentInputs,
  note?: NoteHead,
): Value {
  const { graph, geometry } = stage;
  const { heads, head_dim, attention, rope } = geometry;
  const { rank, value } = attention!.latent!;
  const rotated = rope.dims!;
  const plain = head_dim - rotated;
  const reshaped = (name: string, x: Value, dims: number[]) =>
    graph.node("Reshape", `${path}/${name}/Reshape`, [x, graph.ints(`${path}/${name}`, dims)]);
  const split = (name: string, x: Value, axis: number, sizes: number[]): Value[] => {
    const outputs = sizes.map((_, i) => `${path}/${name}/Split/output_${i}`);
    graph.node("Split", `${path}/${name}/Split`, [x, graph.ints(`${path}/${name}/sizes`, sizes)], {
      attributes: { axis },
      outputs,
    });
    return outputs;
  };
  const joined = (name: string, parts: Value[], axis: number) =>
    graph.node("Concat", `${path}/${name}/Concat`, parts, { attributes: { axis } });
  /** Multiplies each head's part of (S, N*n) by the matrix of the head -> (S, N*rows). */
  const eachHead = (key: "attn.k_b" | "attn.v_b", x: Value, size: number, matrices: Weight) => {
    const name = key.slice("attn.".length);
    const rows = matrices.entry.shape[0] / heads;
    const parts = split(`${name}/heads`, x, 1, Array(heads).fill(size));
    return joined(
      name,
      parts.map((part, head) => {
        note?.(key, head, part);
        const own = rowsOf(matrices, `${matrices.name}.${name}.${head}`, {
          first: head * rows,
          rows,
        });
        return rowProduct(stage, `${path}/${name}.${head}`, part, own);
      }),
      1,
    );
  };

  const [c, r] = split("kv", compressed, 2, [rank, rotated]);
  const kept = joined("kv", [
    headsNorm(stage, `${path}/kv_norm`, c, norm, LATENT_EPSILON),
    rotate(stage, `${path}/k_rotary`, r, 1, view),
  ], 2);

  const [p, s] = split("q", reshaped("q", queries, [1, -1, heads, head_dim]), 3, [plain, rotated]);
  const moved = eachHead("attn.k_b", reshaped("q_plain", p, [-1, heads * plain]), plain, keys);
  const turned = rotate(
    stage,
    `${path}/q_rotary`,
    reshaped("q_rotated", s, [1, -1, heads * rotated]),
    heads,
    view,
  );
  const whole = joined("q_latent", [
    reshaped("q_moved", moved, [1, -1, heads, rank]),
    reshaped("q_turned", turned, [1, -1, heads, rotated]),
  ], 3);
  const dim = rank + rotated;
  const attended = attend(
    stage,
    path,
    view,
    [reshaped("q_rows", whole, [1, -1, heads * dim]), kept, kept],
    { queries: { count: heads, dim }, kvHeads: 1, names: latentNames(layer) },
  );
  const [latent] = split("attended", reshaped("attended", attended, [-1, heads, dim]), 2, [
    rank,
    rotated,
  ]);
  const summed = eachHead("attn.v_b", reshaped("latent", latent, [-1, heads * rank]), rank, values);
  return reshaped("values", summed, [1, -1, heads * value]);
}
