/**
 * Builds the ONNX graph of a layer range; its weights are the blobs of the model store.
 *
 * Memory, measured on onnxruntime-node 1.30 (3 layers of a 0.5B shape): the engine maps the blobs,
 * a session packs the weights of products into private memory, and then the mapped pages are
 * dropped (`runtime/engine/mapped_weights.ts`). Of 73 MiB of q4, 94 of q8, 167 of f16 and 335 of f32 weights 69, 90, 279 and 260 MiB
 * become private (f16 is widened to f32; an embedding stays mapped). With `disable_prepacking` all
 * f32 weights stay mapped (8 MiB private) at the same speed, but q4 and q8 decode 30 to 40 times
 * slower.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ARCHITECTURES, hasAttention } from "../arch/mod.ts";
import { modelError } from "../errors.ts";
import { HEAD_PARTS, type TokenRange } from "../head_parts.ts";
import type { Geometry, GraphModel } from "../manifest.ts";
import { ropeTable, type RotaryGeometry, rotaryOf } from "../rope.ts";
import { embedding, skipNorm, type StageScope, type View, weightOf } from "./blocks.ts";
import { GraphBuilder, type Value } from "./builder.ts";
import type { HeadGraph, LogitsOutput, StageGraph } from "./contract.ts";
import { convolutionInputs } from "./convolution.ts";
import { Grams } from "./grams.ts";
import { addHead } from "./head.ts";
import { addLayer, type Stream } from "./layer.ts";
import { encodeModel } from "./onnx.ts";
import { recurrenceInputs } from "./recurrence.ts";
import { rowBytes, rowCaches, stateCaches, windowedRowBytes } from "./row_caches.ts";

/** Alignment in bytes of each table in its file, so that it can be memory-mapped. */
const PAGE = 4096;
/** Version of the tables' layout, part of their file's name: raise it when the bytes change. */
const TABLE_VERSION = 2;
/** Positions of a table that are computed and written at once. */
const TABLE_ROWS = 4096;

/** Options of {@linkcode buildStageGraph}. */
export interface StageGraphOptions {
  /** First layer, 0-based. */
  firstLayer: number;
  /** Last layer, inclusive. */
  lastLayer: number;
  /** Folder of the model's blobs; the graph is written into it too. */
  blobDir: string;
  /**
   * Arithmetic of quantised products: 4 rounds activations to int8 (fast), 1 computes in f32
   * (slower, closer to the stored weights). It makes no difference for `f16` and `f32` weights.
   * @default 4
   */
  accuracyLevel?: 1 | 4;
  /**
   * Whether the stage with the last layer has the LM head. false: it gives the normed rows alone, and
   * other graphs have the head ({@linkcode buildHeadGraph}). @default true
   */
  head?: boolean;
  /**
   * Tokens that have logits, ascending and apart; all others can never be chosen. A drafter may do
   * with the frequent ones. @default all
   */
  tokens?: readonly TokenRange[];
  /**
   * Inputs of a window of the Gram matrices that the stage gives beside its rows, for calibration
   * (see `GramOutput`). @default it gives none
   */
  gramWindow?: number;
  /**
   * Whether keys and values are rounded to int8 and back, which no engine does for use: to measure
   * what such a cache would cost. @default false
   */
  roundedCache?: boolean;
}

/** Options of {@linkcode buildHeadGraph}. */
export interface HeadGraphOptions extends Pick<StageGraphOptions, "blobDir" | "accuracyLevel"> {
  /** First part of the LM head, 0-based. */
  firstPart: number;
  /** Last part, inclusive. */
  lastPart: number;
}

/**
 * Writes `<blobDir>/stage-<hash>.onnx` for a layer range, unless that file exists, and returns its
 * description.
 *
 * The same manifest and options give the same bytes on every machine. The cos/sin tables go into a
 * second file, `rope-<hash>`. Throws OrreryError `model/`: `bad_layer_range`,
 * `architecture_unknown`, `feature_unsupported`, `bad_rope`, `tensor_missing`, `bad_tensor`,
 * `bad_token_range`.
 */
export async function buildStageGraph(
  manifest: GraphModel,
  options: StageGraphOptions,
): Promise<StageGraph> {
  const { firstLayer, lastLayer, blobDir, accuracyLevel = 4, head = true, tokens } = options;
  const { gramWindow, roundedCache } = options;
  const { geometry } = manifest;
  const layer = (n: number) => Number.isInteger(n) && n >= 0 && n < geometry.layers;
  if (!layer(firstLayer) || !layer(lastLayer) || firstLayer > lastLayer) {
    throw modelError(
      "bad_layer_range",
      `layers ${firstLayer}-${lastLayer} do not exist in ${manifest.name}, which has layers 0-${
        geometry.layers - 1
      }`,
      { firstLayer, lastLayer, layers: geometry.layers },
    );
  }
  if (!ARCHITECTURES.includes(geometry.architecture)) {
    throw modelError(
      "architecture_unknown",
      `architecture ${geometry.architecture} is not known; known are ${ARCHITECTURES.join(", ")}`,
      { architecture: geometry.architecture },
    );
  }
  await mkdir(blobDir, { recursive: true });
  const first = firstLayer === 0;
  const last = lastLayer === geometry.layers - 1;
  const graph = new GraphBuilder();
  let stream: Stream = { residual: firstInput(graph, manifest, first) };
  const positions = graph.input("positions", "i64", [1, "rows"]);
  const bias = graph.input("bias", "f32", [1, 1, "rows", "total"]);
  const pastRows = graph.input("past_rows", "i32", [1]);
  const totalRows = graph.input("total_rows", "i32", []);
  const seen = { bias, pastRows, totalRows };
  const views = await layerViews(graph, geometry, { seen, firstLayer, lastLayer, blobDir });
  const tableBytes = graph.externalBytes();
  const convolved = geometry.convolution?.layers.some((n) => n >= firstLayer && n <= lastLayer);
  const kernel = convolved ? geometry.convolution!.kernel : undefined;
  const numbers = Array.from({ length: lastLayer - firstLayer + 1 }, (_, n) => firstLayer + n);
  const states = numbers.flatMap((n) => stateCaches(geometry, n));
  const recurrence = states.length > 0 && { kernel: geometry.recurrence!.kernel, states };
  const stage: StageScope = {
    graph,
    geometry,
    accuracyLevel,
    attention: { positions },
    ...(kernel !== undefined && { convolution: convolutionInputs({ graph }, kernel) }),
    ...(recurrence && { recurrence: recurrenceInputs({ graph }, recurrence.kernel) }),
    ...(gramWindow && { grams: new Grams(graph, gramWindow) }),
    roundedCache,
  };
  if (first) {
    const table = weightOf(manifest.embedding, "embed", "model.embed_tokens.weight", [
      geometry.vocab,
      geometry.hidden,
    ]);
    stream = { residual: embedding(stage, "/model/embed_tokens", stream.residual, table) };
  } else {
    // Within a stage a layer begins with a fused add and norm, whose sums differ in the last bits
    // from those of a norm alone. Since hidden = half + half is exact, the first layer of a stage
    // runs the same operator on the same numbers, and a split changes no bit.
    const residual = graph.node("Mul", "/hidden/Mul", [
      stream.residual,
      graph.float("/hidden/half", 0.5),
    ]);
    stream = { residual, update: residual };
  }
  const pick = last ? wantedRows(graph, geometry) : undefined;
  for (let n = firstLayer; n <= lastLayer; n++) {
    const layer = { number: n, group: manifest.layers[n], view: views[n - firstLayer] };
    stream = addLayer(stage, n === lastLayer ? { ...layer, pick } : layer, stream);
  }
  let outputs: LogitsOutput[] = [];
  if (!last) addHidden(stage, stream);
  else {
    const normed = addNorm(stage, manifest, stream, "normed");
    graph.output(normed, "f32", ["wanted", geometry.hidden]);
    if (head) {
      outputs = addHead(stage, manifest, scoredRows(graph, normed), {
        firstPart: 0,
        lastPart: HEAD_PARTS - 1,
        tokens,
      });
    }
  }
  const path = await writeGraph(graph, `layers ${firstLayer}-${lastLayer}`, blobDir);
  const caches = numbers.map((n) => rowCaches(geometry, n));
  const windowedBytesPerRow = windowedRowBytes(caches.flat());
  return {
    path,
    external: graph.external(),
    ...graph.names(),
    firstLayer,
    lastLayer,
    first,
    last,
    logits: outputs,
    ...(views.some(({ bias: used }) => used !== bias) ? { window: geometry.local!.window } : {}),
    weightBytes: graph.externalBytes() - tableBytes,
    ...(kernel !== undefined && { kernel }),
    ...(recurrence && { recurrence }),
    caches,
    ...(stage.grams && { grams: stage.grams.outputs }),
    kvBytesPerRow: rowBytes(caches.flat()),
    ...(windowedBytesPerRow > 0 && { windowedBytesPerRow }),
  };
}

/**
 * Writes the graph of some parts of the LM head, as {@linkcode buildStageGraph} writes one of
 * layers. Throws OrreryError `model/`: `bad_head_parts` where the manifest has no such parts,
 * `tensor_missing`, `bad_tensor`.
 */
export async function buildHeadGraph(
  manifest: GraphModel,
  { firstPart, lastPart, blobDir, accuracyLevel = 4 }: HeadGraphOptions,
): Promise<HeadGraph> {
  const { geometry, name, head_parts } = manifest;
  const part = (n: number) => Number.isInteger(n) && n >= 0 && n < HEAD_PARTS;
  if (!head_parts || !part(firstPart) || !part(lastPart) || firstPart > lastPart) {
    throw modelError(
      "bad_head_parts",
      head_parts
        ? `parts ${firstPart}-${lastPart} of the LM head do not exist, there are parts 0-${
          HEAD_PARTS - 1
        }`
        : `the LM head of ${name} is stored whole, so devices cannot share it; add the model again`,
      { firstPart, lastPart, model: name },
    );
  }
  await mkdir(blobDir, { recursive: true });
  const graph = new GraphBuilder();
  const normed = graph.input("normed", "f32", ["wanted", geometry.hidden]);
  const logits = addHead({ graph, geometry, accuracyLevel }, manifest, normed, {
    firstPart,
    lastPart,
  });
  const path = await writeGraph(graph, `head parts ${firstPart}-${lastPart}`, blobDir);
  return { path, external: graph.external(), logits, weightBytes: graph.externalBytes() };
}

/** Writes `<blobDir>/stage-<hash>.onnx`, unless that file exists, and returns its path. */
async function writeGraph(graph: GraphBuilder, name: string, blobDir: string): Promise<string> {
  const bytes = encodeModel(graph.finish(name));
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 32);
  const path = join(blobDir, `stage-${hash}.onnx`);
  await writeOnce(path, () => [bytes]);
  return path;
}

/** What the rows of each layer of a range see, and its rotation. */
async function layerViews(
  graph: GraphBuilder,
  geometry: Geometry,
  { seen, firstLayer, lastLayer, blobDir }: {
    seen: Omit<View, "rotary">;
    firstLayer: number;
    lastLayer: number;
    blobDir: string;
  },
): Promise<View[]> {
  const { local, rope } = geometry;
  const views: View[] = [];
  let near: Omit<View, "rotary"> | undefined;
  for (let n = firstLayer; n <= lastLayer; n++) {
    const windowed = local?.layers.includes(n) ?? false;
    if (windowed) near ??= windowInputs(graph);
    const rotates = !rope.skipped_layers?.includes(n) && hasAttention(geometry, n);
    const rotary = !rotates ? undefined : await ropeConstants(
      graph,
      rotaryOf(geometry, windowed ? "local" : "global"),
      geometry.context,
      blobDir,
    );
    views.push({ ...(windowed ? near! : seen), rotary });
  }
  return views;
}

/** Declares what all windowed layers of a stage see. */
const windowInputs = (graph: GraphBuilder): Omit<View, "rotary"> => ({
  bias: graph.input("window_bias", "f32", [1, 1, "rows", "window_total"]),
  pastRows: graph.input("window_past_rows", "i32", [1]),
  totalRows: graph.input("window_total_rows", "i32", []),
});

function firstInput(graph: GraphBuilder, { geometry }: GraphModel, first: boolean): Value {
  if (first) return graph.input("tokens", "i64", [1, "rows"]);
  return graph.input("hidden", "f32", [1, "rows", geometry.hidden]);
}

/**
 * Picks the rows `want` of (1, S, n) -> (W, n), so that nothing after the last layer's attention is
 * computed for other rows.
 */
function wantedRows(
  graph: GraphBuilder,
  geometry: Geometry,
): (x: Value, path: string) => Value {
  const wanted = graph.input("want", "i64", ["wanted"]);
  const want = geometry.experts ? atLeastOne(graph, wanted) : wanted;
  const axis = graph.ints("/want/axis", [0]);
  return (x, path) => {
    const rows = graph.node("Gather", `${path}/Gather`, [x, want], { attributes: { axis: 1 } });
    return graph.node("Squeeze", `${path}/Squeeze`, [rows, axis]);
  };
}

/**
 * Row 0 where no row is wanted: the router of experts needs one, since onnxruntime 1.30's TopK
 * divides by zero over no rows. {@linkcode addNorm} leaves it out again.
 */
function atLeastOne(graph: GraphBuilder, want: Value): Value {
  const [zero, one] = [graph.ints("/want/zero", [0]), graph.ints("/want/one", [1])];
  const count = graph.node("Shape", "/want/Shape", [want]);
  const missing = graph.node("Max", "/want/Max", [
    graph.node("Sub", "/want/Sub", [one, count]),
    zero,
  ]);
  const filler = graph.node("Slice", "/want/Slice", [zero, zero, missing]);
  return graph.node("Concat", "/want/Concat", [want, filler], { attributes: { axis: 0 } });
}

/** Picks the wanted rows `scored` whose logits are wanted: (W, H) -> (L, H). */
function scoredRows(graph: GraphBuilder, normed: Value): Value {
  const scored = graph.input("scored", "i64", ["scored"]);
  return graph.node("Gather", "/lm_head/Gather", [normed, scored], { attributes: { axis: 0 } });
}

/** Adds the final norm: (W, H) -> (W, H). */
function addNorm(
  stage: StageScope,
  manifest: GraphModel,
  { residual, update }: Stream,
  output: Value,
): Value {
  const { graph, geometry: { hidden, norms, experts } } = stage;
  const part = (key: string, name: string) => weightOf(manifest.head, key, name, [hidden]);
  const weights = {
    gain: part("norm", "model.norm.weight"),
    ...(norms?.bias && { bias: part("norm_bias", "model.norm.bias") }),
  };
  const add = (name?: Value) => skipNorm(stage, "/model/norm", residual, update!, weights, name);
  if (!experts) return add(output).normed;
  const [from, to] = [graph.ints("/want/zero", [0]), graph.node("Shape", "/norm/Shape", ["want"])];
  return graph.node("Slice", "/model/norm/Slice", [add().normed, from, to], { outputs: [output] });
}

/** Adds the output that the next stage takes: the residual stream (1, S, H). */
function addHidden(stage: StageScope, { residual, update }: Stream): void {
  const { graph, geometry } = stage;
  graph.node("Add", "/next_hidden/Add", [residual, update!], { outputs: ["next_hidden"] });
  graph.output("next_hidden", "f32", [1, "rows", geometry.hidden]);
}

/**
 * Writes the cos/sin tables to `rope-<hash>`, unless that file exists, and adds them as constants.
 */
async function ropeConstants(
  graph: GraphBuilder,
  rotary: RotaryGeometry,
  context: number,
  blobDir: string,
): Promise<{ cos: Value; sin: Value }> {
  const { dims: rotated, theta, scaling, long } = rotary;
  const key = JSON.stringify([
    ...[TABLE_VERSION, context, rotated, theta, scaling],
    ...(long ? ["long"] : []),
  ]);
  const location = `rope-${createHash("sha256").update(key).digest("hex").slice(0, 32)}`;
  const dims = [context, rotary.dims / 2];
  const length = context * rotary.dims * 2;
  const offset = Math.ceil(length / PAGE) * PAGE;
  await writeOnce(join(blobDir, location), function* () {
    yield* tableParts(rotary, "cos", context);
    yield new Uint8Array(offset - length);
    yield* tableParts(rotary, "sin", context);
  });
  const table = (name: string, at: number) =>
    graph.constant({
      name: `${location}.${name}`,
      dtype: "f32",
      dims,
      data: { location, offset: at, length },
    });
  return { cos: table("cos", 0), sin: table("sin", offset) };
}

/**
 * The bytes of a table of so many positions, part by part. For a context of 2^20 rows and heads of
 * 128 dimensions the two tables take 512 MiB, which a node must not hold at once, and seconds of
 * computing, during which it must answer others; so it writes a part before it computes the next.
 */
function* tableParts(
  rotary: RotaryGeometry,
  wave: "cos" | "sin",
  context: number,
): Generator<Uint8Array> {
  for (let first = 0; first < context; first += TABLE_ROWS) {
    const rows = Math.min(TABLE_ROWS, context - first);
    yield new Uint8Array(ropeTable(rotary, { wave, first, rows }).buffer);
  }
}

/**
 * Writes a file that is named by its content: whole or not at all, and only if it does not exist.
 */
async function writeOnce(path: string, parts: () => Iterable<Uint8Array>): Promise<void> {
  if (await stat(path).then(() => true, () => false)) return;
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    await writeFile(temporary, parts());
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
