// deno-lint-ignore-file no-console
/**
 * Trains the router's classifier on tests/fixtures/router/train and writes its weights to
 * actors/outline/classifier_weights.ts: `deno task train:router`. The held-out questions play no
 * part. Needed after a change of the questions, the kinds, the features or the rules.
 *
 * @module
 */
import { writeFile } from "node:fs/promises";
import { examplesOf, weightsOf } from "./fit.ts";
import { readTraining } from "./questions.ts";

const TARGET = new URL("../../../actors/outline/classifier_weights.ts", import.meta.url);

const weights = weightsOf(Array.from(examplesOf(await readTraining()).values()).flat());
await writeFile(
  TARGET,
  `/**
 * The weights of the router's classifier. Written by \`deno task train:router\`; do not edit.
 *
 * @module
 */
import type { ClassifierWeights } from "./weights.ts";

/** See {@linkcode ClassifierWeights}. */
export const WEIGHTS: ClassifierWeights = {
  suited:
    "${weights.suited}",
  suitedScale: ${weights.suitedScale},
  suitedBias: ${weights.suitedBias},
  kinds:
    "${weights.kinds}",
  kindScale: ${weights.kindScale},
  kindBias: [
${weights.kindBias.map((bias) => `    ${bias},`).join("\n")}
  ],
  questions: ${weights.questions},
  fingerprint: ${weights.fingerprint},
};
`,
);
console.log(
  `trained on ${weights.questions} questions: ` +
    `${
      Math.round((weights.suited.length + weights.kinds.length) / 1000)
    } KB of weights in ${TARGET.pathname}`,
);
