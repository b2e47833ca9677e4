/**
 * Builds one layer of a decoder from its geometry.
 *
 * @module
 */
import {
  hasAttention,
  hasConvolution,
  hasExperts,
  hasMlp,
  hasRecurrence,
  layerTensors,
} from "../arch/mod.ts";
import type { Group } from "../manifest.ts";
import { activated, gated } from "./activation.ts";
import { attention } from "./attention.ts";
import {
  headNorm,
  headsNorm,
  linear,
  norm,
  scaled,
  skipNorm,
  type StageScope,
  type View,
  type Weight,
  weightOf,
} from "./blocks.ts";
import type { Value } from "./builder.ts";
import { convolution } from "./convolution.ts";
import { mixture } from "./experts.ts";
import { LATENT_EPSILON, latentAttention } from "./latent.ts";
import { recurrence } from "./recurrence.ts";

/**
 * What one layer hands to the next: the residual stream, and the output of the last block, which is
 * not yet added to it.
 */
export interface Stream {
  /** (1, S, H), or (W, H) once the wanted rows are picked. */
  residual: Value;
  /**
   * Output of the last block, of the same shape; undefined after the embedding, when there is none.
   */
  update?: Value;
}

/** A layer to be built. */
export interface Layer {
  /** Number of the layer in the whole model, 0-based. */
  number: number;
  group: Group;
  view: View;
  /**
   * Reduces rows to the wanted ones, (1, S, n) -> (W, n). Set for the model's last layer, of which
   * everything after attention is needed for wanted rows only.
   */
  pick?: (x: Value, path: string) => Value;
}

/**
 * Adds one layer to the graph. What stands in brackets exists in some families only.
 *
 *     residual ----(+)-----------------------------------------(+)----------------> residual
 *     update ------'|                                           ^|
 *                   [attn_norm]                                 |[mlp_norm]
 *                   |                                           ||
 *                   +-> q_proj -[+bias]-[norm]-[rotary]-[norm]--+      |+-> gate_proj -> silu/gelu --+
 *                   +-> k_proj -[+bias]-[norm]-[rotary]-[norm]--+      |+-> up_proj ----------------(*)
 *                   +-> v_proj -[+bias]-------------------------+      |                             |
 *                             GroupQueryAttention                      |                        down_proj
 *                             | (KV arena, [window])                   |                             |
 *                             o_proj -[+bias]-[attn_after_norm]-[*]----'       [mlp_after_norm]-[*]---> update
 *
 * A layer with a convolution (convolution.ts) or a recurrence (recurrence.ts) has that in place of attention. In a mixture of experts (experts.ts) a router stands beside the gates and chooses for each row
 * which of several MLPs compute it. Either half may be missing. Where attention and MLP are parallel, there is no mlp_norm: the MLP reads the rows of attn_norm,
 * and the update is the sum of both.
 */
export function addLayer(
  stage: StageScope,
  { number, group, view, pick }: Layer,
  stream: Stream,
): Stream {
  const { graph, geometry } = stage;
  const { heads, kv_heads, parallel } = geometry;
  const path = `/model/layers.${number}`;
  const specs = layerTensors(geometry, number);
  const optional = (key: string): Weight | undefined => {
    const spec = specs.get(key);
    return spec && weightOf(group, key, spec.name, spec.shape);
  };
  const weight = (key: string) => optional(key)!;
  /** Says that the projections `key` read `x`; of those of experts or heads, only that of `expert`. */
  const note = (x: Value, key: string, expert?: number): void => {
    const [, inputs] = weight(key).entry.shape;
    const where = expert === undefined ? "" : `.${expert}`;
    stage.grams?.note(`${path}/${key.replace(".", "/")}_proj${where}`, {
      ...{ key, layer: number, x, inputs, expert },
    });
  };
  const project = (x: Value, key: string): Value => {
    note(x, key);
    const where = `${path}/${key.replace(".", "/")}_proj`;
    return linear(stage, where, x, weight(key), optional(`${key}_bias`));
  };
  const headsOf = (x: Value, part: "q" | "k", count: number): Value => {
    const gain = optional(`attn.${part}_norm`);
    if (!gain) return x;
    const where = `${path}/attn/${part}_norm`;
    return geometry.attention?.qk_norm === "all"
      ? headsNorm(stage, where, x, gain)
      : headNorm(stage, where, x, count, gain);
  };
  const rotatedNorm = geometry.attention?.qk_norm === "rotated";
  /** What a block adds to the residual stream. */
  const after = (x: Value, part: "attn" | "mlp"): Value => {
    const gain = optional(`${part}_after_norm`);
    const normed = gain ? norm(stage, `${path}/${part}_after_norm`, x, { gain }) : x;
    return scaled(stage, `${path}/${part}_scale`, normed, geometry.residual_scale);
  };
  /** The sum of both, and what the next block reads of it. */
  const begin = (residual: Value, update: Value | undefined, key: string) => {
    const gain = optional(key);
    const weights = gain && { gain, bias: optional(`${key}_bias`) };
    if (update && weights) return skipNorm(stage, `${path}/${key}`, residual, update, weights);
    const sum = update ? graph.node("Add", `${path}/${key}/Add`, [residual, update]) : residual;
    return { sum, normed: weights ? norm(stage, `${path}/${key}`, sum, weights) : sum };
  };
  /** The MLP beside the experts, weighed by its gate if it has one. */
  const shared = (x: Value): Value => {
    const part = `${path}/mlp/shared`;
    const gate = specs.has("mlp.shared.gate") ? project(x, "mlp.shared.gate") : undefined;
    const up = project(x, "mlp.shared.up");
    const product = gate ? gated(stage, part, gate, up) : activated(stage, part, up);
    const output = project(product, "mlp.shared.down");
    const router = optional("mlp.shared.router");
    if (!router) return output;
    const weight = graph.node("Sigmoid", `${part}/Sigmoid`, [
      linear(stage, `${part}/router`, x, router),
    ]);
    return graph.node("Mul", `${part}/weighed/Mul`, [output, weight]);
  };
  const mlp = (x: Value): Value => {
    if (hasExperts(geometry, number)) {
      for (const key of ["mlp.experts.gate", "mlp.experts.up"]) if (specs.has(key)) note(x, key);
      const gate = optional("mlp.experts.gate");
      const experts = {
        router: weight("mlp.router"),
        routerBias: optional("mlp.router_bias"),
        correction: optional("mlp.router_correction"),
        gate: gate && { weight: gate, bias: optional("mlp.experts.gate_bias") },
        up: { weight: weight("mlp.experts.up"), bias: optional("mlp.experts.up_bias") },
        down: { weight: weight("mlp.experts.down"), bias: optional("mlp.experts.down_bias") },
      };
      const noteExpert = (expert: number, read: Value) => note(read, "mlp.experts.down", expert);
      const chosen = mixture(stage, `${path}/mlp`, x, experts, stage.grams && noteExpert);
      if (!geometry.experts!.shared) return after(chosen, "mlp");
      return after(graph.node("Add", `${path}/mlp/shared/Add`, [chosen, shared(x)]), "mlp");
    }
    const up = project(x, "mlp.up");
    const gate = () =>
      scaled(stage, `${path}/mlp/gate_scale`, project(x, "mlp.gate"), geometry.mlp?.gate_scale);
    const product = geometry.mlp?.gated === false
      ? activated(stage, `${path}/mlp`, up)
      : gated(stage, `${path}/mlp`, gate(), up);
    const output = project(product, "mlp.down");
    return after(scaled(stage, `${path}/mlp/down_scale`, output, geometry.mlp?.scale), "mlp");
  };

  const convolved = (x: Value): Value => {
    note(x, "conv.in");
    return convolution(stage, `${path}/conv`, number, x, {
      input: weight("conv.in"),
      inputBias: optional("conv.in_bias"),
      kernel: weight("conv.kernel"),
      kernelBias: optional("conv.kernel_bias"),
    });
  };
  const recurred = (x: Value): Value => {
    for (const key of ["state.in", "state.gate"]) if (specs.has(key)) note(x, key);
    return recurrence(stage, `${path}/state`, number, x, {
      kernel: weight("state.kernel"),
      kernelBias: optional("state.kernel_bias"),
      of: (key) => weight(`state.${key}`),
      optional: (key) => optional(`state.${key}`),
    });
  };
  const latent = (x: Value): Value => {
    const reduced = optional("attn.q_a_norm");
    const normed = reduced &&
      headsNorm(stage, `${path}/attn/q_a_norm`, project(x, "attn.q_a"), reduced, LATENT_EPSILON);
    return latentAttention(stage, `${path}/attn`, number, view, {
      queries: normed ? project(normed, "attn.q_b") : project(x, "attn.q"),
      compressed: project(x, "attn.kv_a"),
      norm: weight("attn.kv_a_norm"),
      keys: weight("attn.k_b"),
      values: weight("attn.v_b"),
    }, stage.grams && ((key, head, read) => note(read, key, head)));
  };
  const attended = (x: Value): Value => {
    if (geometry.attention?.latent) return latent(x);
    const [q, k] = [project(x, "attn.q"), project(x, "attn.k")];
    const queries: [Value, Value, Value] = rotatedNorm
      ? [q, k, project(x, "attn.v")]
      : [headsOf(q, "q", heads), headsOf(k, "k", kv_heads), project(x, "attn.v")];
    const values = attention(
      stage,
      `${path}/attn`,
      number,
      view,
      queries,
      optional("attn.sinks"),
      rotatedNorm ? headsOf : undefined,
    );
    if (!geometry.attention?.gate) return values;
    const gate = graph.node("Sigmoid", `${path}/attn/gate/Sigmoid`, [project(x, "attn.gate")]);
    return graph.node("Mul", `${path}/attn/gated/Mul`, [values, gate]);
  };
  /** What mixes each row with those before it: what is projected, by the projection's key. */
  const mixers: [key: string, mix: (x: Value) => Value, factor?: number][] = [];
  const beside = geometry.recurrence?.beside;
  if (hasConvolution(geometry, number)) mixers.push(["conv.out", convolved]);
  if (hasRecurrence(geometry, number)) mixers.push(["state.out", recurred, beside?.state]);
  if (hasAttention(geometry, number)) mixers.push(["attn.o", attended, beside?.attention]);

  if (mixers.length === 0) {
    const { residual, update } = stream;
    const [before, added] = pick
      ? [pick(residual, `${path}/residual/want`), update && pick(update, `${path}/update/want`)]
      : [residual, update];
    const { normed, sum } = begin(before, added, "mlp_norm");
    return { residual: sum, update: mlp(normed) };
  }
  let { normed, sum } = begin(stream.residual, stream.update, "attn_norm");
  let mixed = mixers.map(([, mix]) => mix(normed));
  if (pick) {
    mixed = mixed.map((x, i) => pick(x, `${path}/mixed/${i === 0 ? "" : `${i}/`}want`));
    sum = pick(sum, `${path}/residual/want`);
    if (parallel) normed = pick(normed, `${path}/attn_norm/want`);
  }
  const outputs = mixers.map(([key, , factor], i) =>
    scaled(stage, `${path}/${key.replace(".", "/")}_scale`, project(mixed[i], key), factor)
  );
  const both = outputs.reduce((a, b, i) => graph.node("Add", `${path}/mixed/${i}/Add`, [a, b]));
  const attn = after(both, "attn");
  if (parallel) {
    const update = graph.node("Add", `${path}/parallel/Add`, [attn, mlp(normed)]);
    return { residual: sum, update };
  }
  if (!hasMlp(geometry, number)) return { residual: sum, update: attn };
  ({ normed, sum } = begin(sum, attn, "mlp_norm"));
  return { residual: sum, update: mlp(normed) };
}
