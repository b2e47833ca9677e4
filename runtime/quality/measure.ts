/**
 * Measures what each way of storing a model costs: the divergence of its next tokens from those of
 * the weights that it is made from, computed in f32.
 *
 * All ways go through the model together, layer by layer, so that one layer is in memory at a time.
 * A calibrated layer is calibrated as a conversion would.
 *
 * @module
 */
import {
  buildHeadGraph,
  builtInPassages,
  type Factors,
  factorsOf,
  type Group,
  type ModelParts,
  type Passage,
} from "../../models/mod.ts";
import { OrreryError } from "../../actors/mod.ts";
import { TextHead, type TextRows, usualThreads } from "../engine/mod.ts";
import { type Divergence, DivergenceMeter } from "./divergence.ts";
import { runLayer } from "./run_layer.ts";
import { type Sequence, SEQUENCE_TOKENS, sequencesOf } from "./sequences.ts";
import { type BeginCalibration, type Variant, variantsOf } from "./variants.ts";

/** Rows whose logits are computed at once. */
const HEAD_ROWS = 64;

/** Options of {@linkcode measureQuality}. */
export interface QualityOptions {
  /** Begins a calibration of the same model, in parts of its own. */
  calibrate: BeginCalibration;
  /** Other sources of the same model, by the names that they have in the table. @default none */
  beside?: ReadonlyMap<string, ModelParts>;
  /** The text. @default the built-in one for measurements */
  passages?: readonly Passage[];
  /** Called after each step with the steps that are done, of `total`, and what was done last. */
  onProgress?: (done: number, total: number, what: string) => void;
  signal?: AbortSignal;
}

/** A line of the table. */
export interface QualityRow extends Divergence {
  /** How the model is stored and computed. */
  name: string;
  /**
   * Bytes of all weights, where an embedding that the head shares counts once; 0 of another source,
   * whose own bytes are not known.
   */
  bytes: number;
}

/** What was measured. */
export interface QualityReport {
  model: string;
  /** Precision of the weights that it was made from; they are computed in f32. */
  reference: string;
  /** Tokens over which it was measured. */
  tokens: number;
  /** Perplexity of the reference. */
  perplexity: number;
  rows: QualityRow[];
}

/** A variant on its way through the model. */
interface VariantRun {
  variant: Variant;
  texts: TextRows[];
  embedding: Group;
  bytes: number;
}

/**
 * Measures a model. Throws OrreryError `model/not_the_same_model` where a source beside it has another
 * shape, `model/text_too_short` for a text of fewer than two tokens, what reading the model and
 * running it throw, and the signal's reason.
 */
export async function measureQuality(
  parts: ModelParts,
  options: QualityOptions,
): Promise<QualityReport> {
  const { calibrate, beside, signal, onProgress } = options;
  for (const [name, other] of beside ?? []) checkSame(parts, name, other);
  const passages = options.passages ?? await builtInPassages("evaluation");
  const sequences = sequencesOf(passages, parts);
  const next = nextTokens(sequences);
  if (next.length === 0) {
    throw new OrreryError({
      group: "model",
      code: "text_too_short",
      message: "the text has fewer than two tokens, so nothing can be measured; give a longer one",
    });
  }
  const reference: Variant = {
    ...{ name: "reference", layers: "f32", vocabulary: "f32", accuracyLevel: 1 },
  };
  const variants = [reference, ...variantsOf(parts, beside)];
  const { layers } = parts.geometry;
  const headKeys = parts.keys.filter((key) => key.startsWith("head part "));
  if (headKeys.length === 0) headKeys.push("head");
  let done = 0;
  const total = variants.length * (layers + headKeys.length);
  const step = (what: string) => onProgress?.(++done, total, what);
  const texts = sequences.map(({ tokens }): TextRows => ({ tokens }));
  const runners: VariantRun[] = [];
  for (const variant of variants) {
    const from = variant.parts ?? parts;
    const embedding = await from.part("embedding", variant.vocabulary, { signal });
    runners.push({ variant, texts, embedding, bytes: variant.parts ? 0 : embedding.bytes });
  }
  {
    await using calibration = variants.some(({ calibrated }) => calibrated)
      ? await calibrate()
      : undefined;
    for (let layer = 0; layer < layers; layer++) {
      const factors = factorsOf(await calibration?.layer(layer, true) ?? []);
      for (const runner of runners) {
        await runThrough(parts, runner, layer, { factors, signal });
        step(`layer ${layer}, ${runner.variant.name}`);
      }
    }
  }
  const normed = runners.map((runner) =>
    countedRows(runner.texts, sequences, parts.geometry.hidden)
  );
  const meters = runners.map(() => new DivergenceMeter(next));
  let first = 0;
  for (const key of headKeys) {
    const tokens = await runHead(parts, { key, first, runners, normed, meters, signal });
    first += tokens;
    for (const { variant } of runners) step(`${key}, ${variant.name}`);
  }
  const [own, ...results] = meters.map((meter) => meter.result());
  return {
    model: parts.name,
    reference: parts.held,
    tokens: next.length,
    perplexity: own.perplexity,
    rows: results.map((result, i) => ({
      name: runners[i + 1].variant.name,
      bytes: runners[i + 1].bytes,
      ...result,
    })),
  };
}

/** Runs a variant's texts through one layer. */
async function runThrough(
  reference: ModelParts,
  runner: VariantRun,
  layer: number,
  { factors, signal }: { factors: Factors; signal?: AbortSignal },
): Promise<void> {
  const { variant, embedding } = runner;
  const { layers, accuracyLevel, roundedCache } = variant;
  const parts = variant.parts ?? reference;
  const key = `layer ${layer}`;
  const last = layer === parts.geometry.layers - 1;
  const group = await parts.part(key, layers, {
    ...(variant.calibrated && { factors }),
    signal,
  });
  const groups: Record<string, Group> = { embedding, [key]: group };
  if (last) groups.head = await parts.part("head", variant.vocabulary, { signal });
  const { blobDir } = parts;
  const model = parts.model(groups, SEQUENCE_TOKENS);
  const run = await runLayer(model, layer, runner.texts, {
    blobDir,
    accuracyLevel,
    roundedCache,
    signal,
  });
  runner.texts = run.texts;
  if (!variant.parts) runner.bytes += group.bytes;
  await parts.drop(group);
}

/** Runs a part of the LM head for all variants; returns the number of its tokens. */
async function runHead(
  reference: ModelParts,
  { key, first, runners, normed, meters, signal }: {
    key: string;
    first: number;
    runners: VariantRun[];
    normed: Float32Array<ArrayBuffer>[];
    meters: DivergenceMeter[];
    signal?: AbortSignal;
  },
): Promise<number> {
  const { hidden } = reference.geometry;
  const part = Number(key.slice("head part ".length));
  const heads: { head: TextHead; tokens: number }[] = [];
  const loaded = new Map<string, { head: TextHead; tokens: number; bytes: number }>();
  try {
    for (const runner of runners) {
      const { variant } = runner;
      const parts = variant.parts ?? reference;
      const name = `${variant.vocabulary} ${variant.accuracyLevel} ${
        variant.parts ? variant.name : ""
      }`;
      if (!loaded.has(name)) {
        const group = await parts.part(key, variant.vocabulary, { signal });
        const norm = await parts.part("head", variant.vocabulary, { signal });
        const { blobDir, geometry } = parts;
        const model = parts.model({ [key]: group, head: norm }, SEQUENCE_TOKENS);
        const { accuracyLevel } = variant;
        const range = { firstPart: part, lastPart: part };
        const graph = await buildHeadGraph(model, { ...range, blobDir, accuracyLevel });
        const threads = usualThreads(graph.weightBytes);
        const head = await TextHead.open(graph, { geometry, threads });
        const [{ rows: tokens }] = graph.logits;
        loaded.set(name, { head, tokens, bytes: group.bytes });
      }
      heads.push(loaded.get(name)!);
      if (!parts.geometry.tied_embeddings && !variant.parts) {
        runner.bytes += loaded.get(name)!.bytes;
      }
    }
    const rows = normed[0].length / hidden;
    const tokens = heads[0].tokens;
    for (let row = 0; row < rows; row += HEAD_ROWS) {
      signal?.throwIfAborted();
      const end = Math.min(row + HEAD_ROWS, rows);
      let expected: Float32Array | undefined;
      for (const [i, { head }] of heads.entries()) {
        const [logits] = await head.run(normed[i].slice(row * hidden, end * hidden));
        expected ??= logits;
        meters[i].add(expected, logits, { row, first, tokens });
      }
    }
    return tokens;
  } finally {
    for (const { head } of loaded.values()) head[Symbol.dispose]();
  }
}

/** The rows that count, of all sequences, f32 (rows, hidden). */
function countedRows(
  texts: readonly TextRows[],
  sequences: readonly Sequence[],
  hidden: number,
): Float32Array<ArrayBuffer> {
  const some = sequences.map(({ tokens, from }, i) =>
    (texts[i] as { hidden: Float32Array }).hidden.subarray(
      from * hidden,
      (tokens.length - 1) * hidden,
    )
  );
  const all = new Float32Array(some.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const rows of some) {
    all.set(rows, at);
    at += rows.length;
  }
  return all;
}

/** The token that follows each row that counts. */
const nextTokens = (sequences: readonly Sequence[]): Int32Array =>
  Int32Array.from(sequences.flatMap(({ tokens, from }) => [...tokens.subarray(from + 1)]));

function checkSame(parts: ModelParts, name: string, other: ModelParts): void {
  const shape = ({ geometry: { layers, hidden, vocab } }: ModelParts) =>
    `${layers} layers of width ${hidden}, ${vocab} tokens`;
  if (shape(parts) === shape(other)) return;
  throw new OrreryError({
    group: "model",
    code: "not_the_same_model",
    message: `${name} is another model than ${parts.name}: it has ${shape(other)}, not ${
      shape(parts)
    }; name a file of the same model`,
  });
}
