/**
 * A mixture of experts in a layer: a router chooses some experts for each row, and each expert
 * computes the rows that chose it.
 *
 * One operator would be simpler, but onnxruntime 1.30's has no fast product on CPUs: QMoE with 8 of
 * 32 experts (hidden 2048, width 768, q4) took 559 ms for one row, 8 MatMulNBits experts 2 ms. So
 * each expert is the branch of an `If` that runs when a row chose it. An `If` that does not run
 * costs about a microsecond (128 experts took as long as 8). Branches within branches must not be:
 * there ONNX Runtime does not pack the weights, and products are a hundred times slower.
 *
 * @module
 */
import { activated, gated } from "./activation.ts";
import {
  addend,
  linear,
  rowProduct,
  rowsOf,
  scaled,
  type StageScope,
  type Weight,
} from "./blocks.ts";
import type { Value } from "./builder.ts";
import type { OnnxGraph } from "./onnx.ts";

/** The weights of a layer's experts, all of a kind below each other. */
export interface ExpertWeights {
  /** [experts, H]; f32. */
  router: Weight;
  routerBias?: Weight;
  /** Added to the scores for the choice alone [experts]; f32. */
  correction?: Weight;
  /** [experts * I, H]; undefined: the activation is that of `up`. */
  gate?: Projections;
  /** [experts * I, H] */
  up: Projections;
  /** [experts * H, I] */
  down: Projections;
}

/** Is told what the last projection of an expert reads: the rows that chose it, (N, I). */
export type NoteExpert = (expert: number, x: Value) => void;

/** One projection of all experts, and their biases [the same rows] if they have any. */
interface Projections {
  weight: Weight;
  bias?: Weight;
}

/** Which rows each expert computes. R = rows, K = experts of a row. */
interface Routes {
  /** Weight of each chosen expert, f32 (R, K, 1). */
  weights: Value;
  /** The choices r * K + k in the order of their experts, i64 (R * K). */
  order: Value;
  /** Where each choice stands in that order, i64 (R * K). */
  places: Value;
  /** Where the choices of each expert begin, and at last where they end, i64 (experts + 1). */
  starts: Value;
  /** For each expert whether a row chose it: booleans of shape (1). */
  chosen: Value[];
}

/**
 * Adds the experts: rows (1, S, H) or (W, H) -> the same shape. With `note`, what their last
 * projections read leaves the branches.
 */
export function mixture(
  stage: StageScope,
  path: string,
  x: Value,
  all: ExpertWeights,
  note?: NoteExpert,
): Value {
  const { graph, geometry: { hidden, experts } } = stage;
  const { count, active } = experts!;
  const rows = graph.node("Reshape", `${path}/rows/Reshape`, [
    x,
    graph.ints("/experts/rows", [-1, hidden]),
  ]);
  const routes = route(stage, `${path}/router`, rows, all);
  const widths = [hidden, ...(note ? [all.down.weight.entry.shape[1]] : [])];
  const outputs = Array.from({ length: count }, (_, expert) => {
    const name = `${path}/experts.${expert}`;
    const read = `${name}/If/read`;
    const output = graph.node("If", `${name}/If`, [routes.chosen[expert]], {
      attributes: {
        then_branch: { graph: expertBranch(stage, name, rows, routes, expert, all, widths) },
        else_branch: { graph: noRows(stage, name, widths) },
      },
      outputs: [`${name}/If/output_0`, ...(note ? [read] : [])],
    });
    note?.(expert, read);
    return output;
  });
  const joined = graph.node("Concat", `${path}/experts/Concat`, outputs, {
    attributes: { axis: 0 },
  });
  const ordered = graph.node("Gather", `${path}/experts/Gather`, [joined, routes.places]);
  const chosen = graph.node("Reshape", `${path}/experts/Reshape`, [
    ordered,
    graph.ints("/experts/chosen", [-1, active, hidden]),
  ]);
  const weighted = graph.node("Mul", `${path}/experts/Mul`, [chosen, routes.weights]);
  const sum = graph.node("ReduceSum", `${path}/experts/ReduceSum`, [
    weighted,
    graph.ints("/experts/axis", [1]),
  ], { attributes: { keepdims: 0 } });
  return graph.node("Reshape", `${path}/Reshape`, [
    sum,
    graph.node("Shape", `${path}/Shape`, [x]),
  ]);
}

/** Chooses the experts of each row (R, H). */
function route(
  stage: StageScope,
  path: string,
  rows: Value,
  all: ExpertWeights,
): Routes {
  const { graph, geometry: { experts } } = stage;
  const { count, active } = experts!;
  const { index, weights: chosenWeights } = choice(stage, path, rows, all);
  const weights = graph.node("Reshape", `${path}/weights/Reshape`, [
    chosenWeights,
    graph.ints("/experts/weights", [-1, active, 1]),
  ]);
  const flat = graph.node("Reshape", `${path}/flat/Reshape`, [
    index,
    graph.ints("/experts/flat", [-1]),
  ]);
  const length = graph.node("Shape", `${path}/flat/Shape`, [flat]);
  /** Indices that sort (n) ascending; equal elements stay in their order. */
  const sorted = (values: Value, name: string): Value => {
    const indices = `${path}/${name}`;
    graph.node("TopK", `${path}/${name}/TopK`, [values, length], {
      attributes: { axis: 0, largest: 0, sorted: 1 },
      outputs: [`${indices}/values`, indices],
    });
    return indices;
  };
  const order = sorted(flat, "order");
  const below = graph.node("Less", `${path}/below/Less`, [
    graph.node("Unsqueeze", `${path}/flat/Unsqueeze`, [flat, graph.ints("/experts/axis", [1])]),
    graph.ints("/experts/ids", Array.from({ length: count + 1 }, (_, i) => i), [1, count + 1]),
  ]);
  const starts = graph.node("ReduceSum", `${path}/starts/ReduceSum`, [
    graph.node("Cast", `${path}/below/Cast`, [below], { attributes: { to: 7 } }),
    graph.ints("/experts/first_axis", [0]),
  ], { attributes: { keepdims: 0 } });
  const part = (name: string, from: number) =>
    graph.node("Slice", `${path}/${name}/Slice`, [
      starts,
      graph.ints(`/experts/${name}/from`, [from]),
      graph.ints(`/experts/${name}/to`, [from + count]),
    ]);
  const chosen = Array.from({ length: count }, (_, expert) => `${path}/chosen.${expert}`);
  graph.node("Split", `${path}/chosen/Split`, [
    graph.node("Less", `${path}/chosen/Less`, [part("begin", 0), part("end", 1)]),
  ], { attributes: { axis: 0, num_outputs: count }, outputs: chosen });
  return { weights, order, places: sorted(order, "places"), starts, chosen };
}

/** The best experts of each row (R, H): their numbers i64 (R, K) and weights f32 (R, K). */
function choice(
  stage: StageScope,
  path: string,
  rows: Value,
  { router, routerBias, correction }: ExpertWeights,
): { index: Value; weights: Value } {
  const { graph, geometry } = stage;
  const { active, normalised, scores: kind, epsilon, scale, groups } = geometry.experts!;
  const logits = linear(stage, path, rows, router, routerBias);
  const node = (op: string, name: string, inputs: Value[], attributes = {}) =>
    graph.node(op, `${path}/${name}`, inputs, { attributes });
  const [best, index] = [`${path}/TopK/values`, `${path}/TopK/experts`];
  const choose = (from: Value) =>
    graph.node("TopK", `${path}/TopK`, [from, graph.ints("/experts/active", [active])], {
      outputs: [best, index],
    });
  const factored = (weights: Value) => ({
    index,
    weights: scaled(stage, `${path}/scale`, weights, scale),
  });
  if (!kind && !correction && !groups && normalised) {
    choose(logits);
    return factored(node("Softmax", "Softmax", [best])); // the softmax of all, divided by its sum
  }
  const scores = kind === "sigmoid"
    ? node("Sigmoid", "Sigmoid", [logits])
    : node("Softmax", "Softmax", [logits]);
  const corrected = correction
    ? node("Add", "corrected/Add", [scores, addend(stage, `${path}/correction`, correction)])
    : scores;
  choose(groups ? ofBestGroups(stage, `${path}/groups`, corrected) : corrected);
  const weights = correction
    ? node("GatherElements", "weights/GatherElements", [scores, index], { axis: 1 })
    : best;
  if (!normalised) return factored(weights);
  const sum = node("ReduceSum", "weights/ReduceSum", [weights, graph.ints("/experts/axis", [1])]);
  const divisor = epsilon === undefined
    ? sum
    : node("Add", "weights/Add", [sum, graph.float("/experts/epsilon", epsilon)]);
  return factored(node("Div", "weights/Div", [weights, divisor]));
}

/** Scores (R, experts) of which those outside of each row's best groups are minus infinity. */
function ofBestGroups({ graph, geometry }: StageScope, path: string, scores: Value): Value {
  const { count: experts, groups } = geometry.experts!;
  const { count, active, by } = groups!;
  const node = (op: string, name: string, inputs: Value[], attributes = {}) =>
    graph.node(op, `${path}/${name}/${op}`, inputs, { attributes });
  const [each, axis] = [experts / count, graph.ints("/experts/groups/axis", [2])];
  const grouped = node("Reshape", "grouped", [
    scores,
    graph.ints("/experts/groups/grouped", [-1, count, each]),
  ]);
  /** The best numbers of the last axis, and which they are. */
  const top = (name: string, from: Value, some: number): [values: Value, index: Value] => {
    const outputs: [Value, Value] = [`${path}/${name}/values`, `${path}/${name}`];
    const inputs = [from, graph.ints(`/experts/groups/${name}`, [some])];
    graph.node("TopK", `${path}/${name}/TopK`, inputs, { outputs });
    return outputs;
  };
  const [best] = top("best", grouped, by === "one" ? 1 : 2);
  const [, chosen] = top(
    "chosen",
    node("ReduceSum", "counted", [best, axis], { keepdims: 0 }),
    active,
  );
  const marks = node("OneHot", "marks", [ // (R, active, groups)
    chosen,
    graph.ints("/experts/groups/count", [count]),
    graph.constant({
      name: "/experts/groups/marks",
      dtype: "f32",
      dims: [2],
      data: new Uint8Array(Float32Array.of(0, 1).buffer),
    }),
  ]);
  const marked = node("ReduceMax", "marked", [marks, graph.ints("/experts/axis", [1])], {
    keepdims: 0,
  });
  const within = node("Cast", "within", [node("Unsqueeze", "marked", [marked, axis])], { to: 9 });
  const kept = node("Where", "kept", [
    within,
    grouped,
    graph.float("/experts/groups/none", -Infinity),
  ]);
  return node("Reshape", "kept", [kept, graph.ints("/experts/groups/all", [-1, experts])]);
}

/**
 * One expert: the rows that chose it -> their outputs, in the order of the choices, and, if there
 * is a second width, what its last projection reads.
 */
function expertBranch(
  around: StageScope,
  path: string,
  rows: Value,
  { starts, order }: Routes,
  expert: number,
  { gate, up, down }: ExpertWeights,
  [, inner]: number[],
): OnnxGraph {
  const graph = around.graph.branch();
  const stage = { ...around, graph };
  const { hidden, experts } = stage.geometry;
  const at = (number: number) =>
    graph.node("Gather", `${path}/at.${number}/Gather`, [
      starts,
      graph.ints(`/experts/at.${number}`, [number]),
    ]);
  const choices = graph.node("Slice", `${path}/choices/Slice`, [order, at(expert), at(expert + 1)]);
  const numbers = graph.node("Div", `${path}/rows/Div`, [
    choices,
    graph.ints("/experts/per_row", [experts!.active]),
  ]);
  const x = graph.node("Gather", `${path}/rows/Gather`, [rows, numbers]);
  const own = (weight: Weight): Weight => {
    const count = weight.entry.shape[0] / experts!.count;
    return rowsOf(weight, `${weight.name}.${expert}`, { first: expert * count, rows: count });
  };
  const project = (input: Value, name: string, { weight, bias }: Projections): Value =>
    rowProduct(stage, `${path}/${name}_proj`, input, own(weight), { bias: bias && own(bias) });
  const product = gate
    ? gated(stage, path, project(x, "gate", gate), project(x, "up", up))
    : activated(stage, path, project(x, "up", up));
  const output = project(product, "down", down);
  graph.output(output, "f32", [`${path}/rows`, hidden]);
  if (inner !== undefined) graph.output(product, "f32", [`${path}/rows`, inner]);
  return graph.finishBranch(path);
}

/** What stands for an expert that no row chose: no rows of each width. */
function noRows({ graph: around }: StageScope, path: string, widths: number[]): OnnxGraph {
  const graph = around.branch();
  for (const width of widths) {
    const none = around.constant({
      name: `/experts/none.${width}`,
      dtype: "f32",
      dims: [0, width],
      data: new Uint8Array(0),
    });
    const output = graph.node("Identity", `${path}/none.${width}/Identity`, [none]);
    graph.output(output, "f32", [0, width]);
  }
  return graph.finishBranch(`${path}/none`);
}
