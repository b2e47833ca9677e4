/**
 * The form in which the classifier's weights are kept.
 *
 * @module
 */

/** Number of features by which the kind is found: hashes are cut to as many. */
export const KIND_FEATURES = 1 << 12;

/** Weights of the classifier, as trained: one byte each, times a scale. */
export interface ClassifierWeights {
  /** Weight of each feature for "suited"; `FEATURES` signed bytes in base64. */
  suited: string;
  /** What one unit of `suited` is worth. */
  suitedScale: number;
  /** Score of a question without features. The score 0 is the border between yes and no. */
  suitedBias: number;
  /** Weight of each feature for each kind; `KIND_FEATURES` times kinds signed bytes in base64. */
  kinds: string;
  /** What one unit of `kinds` is worth. */
  kindScale: number;
  /** Score of each kind for a question without features. */
  kindBias: readonly number[];
  /** How many questions they were trained on. */
  questions: number;
  /** `fingerprintOf` those questions' features. */
  fingerprint: number;
}
