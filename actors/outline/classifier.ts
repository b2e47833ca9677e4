/**
 * The router's classifier: logistic regression over the features of a question. One score says
 * whether an outline suits it, a second set of scores which kind of question it most likely is, for
 * the reason that people read. It knows nothing but what it was trained on (tests/fixtures/router,
 * `deno task train:router`).
 *
 * @module
 */
import { FEATURES, type Features, featuresOf } from "./features.ts";
import { KINDS, type QuestionKind } from "./kinds.ts";
import { KIND_FEATURES } from "./weights.ts";
import { WEIGHTS } from "./classifier_weights.ts";

/** What the classifier says of a question. */
export interface Classified {
  /** Its probability, 0 to 1, that an outline suits the question. */
  suited: number;
  /** The most likely kind among those that are suited, or not, as `suited` says. */
  kind: QuestionKind;
}

/** Reads the weights once, at the first question. */
let decoded: { suited: Int8Array; kinds: Int8Array } | undefined;

/** Classifies a question. */
export function classify(question: string): Classified {
  decoded ??= { suited: bytesOf(WEIGHTS.suited), kinds: bytesOf(WEIGHTS.kinds) };
  const features = featuresOf(question);
  const { ids, values } = features;
  let score = 0;
  for (const [i, id] of ids.entries()) score += decoded.suited[id] * values[i];
  score = score * WEIGHTS.suitedScale + WEIGHTS.suitedBias;
  const suited = 1 / (1 + Math.exp(-score));
  return { suited, kind: kindOf(features, { suited: score > 0, weights: decoded.kinds }) };
}

function kindOf(
  { ids, values }: Features,
  { suited, weights }: { suited: boolean; weights: Int8Array },
): QuestionKind {
  const scores = KINDS.map((_, k) => WEIGHTS.kindBias[k] / WEIGHTS.kindScale);
  for (const [i, id] of ids.entries()) {
    const from = (id % KIND_FEATURES) * KINDS.length;
    for (let k = 0; k < KINDS.length; k++) scores[k] += weights[from + k] * values[i];
  }
  let best = -1;
  for (const [k, kind] of KINDS.entries()) {
    if (kind.suited === suited && (best < 0 || scores[k] > scores[best])) best = k;
  }
  return KINDS[best];
}

/**
 * A number that changes when the features of any of the questions change: by it a test sees that
 * weights and features belong together.
 */
export function fingerprintOf(questions: Iterable<string>): number {
  let h = 0x811c9dc5;
  for (const question of questions) {
    const { ids, values } = featuresOf(question);
    for (const [i, id] of ids.entries()) {
      h = Math.imul(h ^ (id + FEATURES * Math.round(values[i] * 1000)), 0x01000193);
    }
  }
  return h >>> 0;
}

function bytesOf(base64: string): Int8Array {
  return Int8Array.from(atob(base64), (c) => c.charCodeAt(0));
}
