/**
 * Trains the router's classifier: logistic regression by AdaGrad, one question after the other in
 * an order drawn from a fixed seed, and the mean of the weights after the later half of the rounds.
 *
 * @module
 */
import { fingerprintOf } from "../../../actors/outline/classifier.ts";
import { FEATURES, type Features, featuresOf } from "../../../actors/outline/features.ts";
import { KINDS } from "../../../actors/outline/kinds.ts";
import { type ClassifierWeights, KIND_FEATURES } from "../../../actors/outline/weights.ts";
import type { LabelledQuestion } from "./questions.ts";

/** Rounds over all questions. */
const ROUNDS = 10;
/** AdaGrad's step. */
const STEP = 0.2;
/** The step of the scores' constant parts. */
const BIAS_STEP = 0.02;
/** Start of the sum of squared gradients, so that the first steps are not too long. */
const FIRST_SQUARES = 1e-3;
/** Pull of every weight towards 0. */
const DECAY = 1e-5;
/** Share of an earlier question: the rules among the features were changed to suit those. */
const EARLIER_SHARE = 0.5;
/** A question ready to be trained on. */
interface Example extends LabelledQuestion {
  features: Features;
  share: number;
}

/** Linear scores: `outputs` weights for each feature, feature by feature. */
interface Scores {
  weights: Float64Array;
  bias: Float64Array;
}

/** Examples of all files; see `readTraining`. */
export function examplesOf(files: Map<string, LabelledQuestion[]>): Map<string, Example[]> {
  return new Map(
    Array.from(files, ([name, questions]) => [
      name,
      questions.map((q) => ({
        ...q,
        features: featuresOf(q.question.trim()),
        share: name === "earlier" ? EARLIER_SHARE : 1,
      })),
    ]),
  );
}

/** The scores of "suited": one output. */
export function fitSuited(examples: readonly Example[]): Scores {
  return fit(examples, {
    size: FEATURES,
    outputs: 1,
    errors: (scores, { suited }) => [1 / (1 + Math.exp(-scores[0])) - (suited ? 1 : 0)],
  });
}

/** The score of "suited" of one example; yes is above 0. */
export function suitedScore({ weights, bias }: Scores, { ids, values }: Features): number {
  let score = bias[0];
  for (const [i, id] of ids.entries()) score += weights[id] * values[i];
  return score;
}

/** The classifier's weights as they are kept. */
export function weightsOf(
  examples: readonly Example[],
): ClassifierWeights {
  const suited = fitSuited(examples);
  const kinds = fit(examples.filter(({ kind }) => kind !== undefined), {
    size: KIND_FEATURES,
    outputs: KINDS.length,
    errors: (scores, { kind }) => {
      const most = Math.max(...scores);
      const powers = Array.from(scores, (score) => Math.exp(score - most));
      const sum = powers.reduce((a, b) => a + b, 0);
      return powers.map((p, k) => p / sum - (KINDS[k].kind === kind ? 1 : 0));
    },
  });
  const [suitedBytes, suitedScale] = toBytes(suited.weights);
  const [kindBytes, kindScale] = toBytes(kinds.weights);
  return {
    suited: suitedBytes,
    suitedScale,
    suitedBias: round(suited.bias[0]),
    kinds: kindBytes,
    kindScale,
    kindBias: Array.from(kinds.bias, round),
    questions: examples.length,
    fingerprint: fingerprintOf(examples.map(({ question }) => question.trim())),
  };
}

function fit(
  examples: readonly Example[],
  { size, outputs, errors }: {
    size: number;
    outputs: number;
    errors(scores: Float64Array, example: Example): number[];
  },
): Scores {
  const weights = new Float64Array(size * outputs);
  const squares = new Float64Array(size * outputs).fill(FIRST_SQUARES);
  const mean = new Float64Array(size * outputs);
  const bias = new Float64Array(outputs);
  const biasSquares = new Float64Array(outputs).fill(FIRST_SQUARES);
  const biasMean = new Float64Array(outputs);
  const kept = Math.ceil(ROUNDS / 2);
  const random = randomFrom(1);
  for (let round = 0; round < ROUNDS; round++) {
    for (const example of shuffled(examples, random)) {
      const { features: { ids, values }, share } = example;
      const scores = Float64Array.from(bias);
      for (let i = 0; i < ids.length; i++) {
        const from = (ids[i] % size) * outputs;
        for (let k = 0; k < outputs; k++) scores[k] += weights[from + k] * values[i];
      }
      const gradient = errors(scores, example).map((error) => error * share);
      for (let k = 0; k < outputs; k++) {
        biasSquares[k] += gradient[k] ** 2;
        bias[k] -= BIAS_STEP * gradient[k] / Math.sqrt(biasSquares[k]);
      }
      for (let i = 0; i < ids.length; i++) {
        const from = (ids[i] % size) * outputs;
        for (let k = 0; k < outputs; k++) {
          const slope = gradient[k] * values[i] + DECAY * weights[from + k];
          squares[from + k] += slope * slope;
          weights[from + k] -= STEP * slope / Math.sqrt(squares[from + k]);
        }
      }
    }
    if (round < ROUNDS - kept) continue;
    for (let i = 0; i < mean.length; i++) mean[i] += weights[i] / kept;
    for (let k = 0; k < outputs; k++) biasMean[k] += bias[k] / kept;
  }
  return { weights: mean, bias: biasMean };
}

/** Numbers from 0 to 1, the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

/** Signed bytes in base64, and what one unit of them is worth. */
function toBytes(weights: Float64Array): [base64: string, scale: number] {
  const most = weights.reduce((m, w) => Math.max(m, Math.abs(w)), 0);
  const scale = round(most / 127);
  const bytes = Uint8Array.from(weights, (w) => Math.round(w / scale) & 0xff);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return [btoa(text), scale];
}

/** To six decimal places: what is written is what was measured. */
function round(value: number): number {
  return Number(value.toFixed(6));
}
