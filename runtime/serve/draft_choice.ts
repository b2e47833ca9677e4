/**
 * Which model can draft for another, and what that is expected to gain: by its tokenizer, and by what
 * a token of it costs beside one of the target.
 *
 * @module
 */
import {
  groupsOf,
  headBytes,
  type Manifest,
  type StoredModel,
  vocabularyDifference,
} from "../../models/mod.ts";
import { isEmbeddedName } from "./embedded_names.ts";

/** A draft model must be expected to decode at least this many times as fast as none. */
const LEAST_GAIN = 1.1;
/** Longest draft that is reckoned with, in tokens. */
const LONGEST = 8;
/** What a drafted row adds to a frame of the target, as a share of a frame of one row. */
const ROW_SHARE = 0.2;
/**
 * Acceptance rate of a draft model with a tenth of its target's parameters, 0 to 1, and what a tenth
 * of these changes. Leviathan et al. ("Fast Inference from Transformers via Speculative Decoding",
 * 2023, tables 2 and 3) measured 0.61 to 0.82 with 1/1370 to 1/14 of the parameters.
 */
const ACCEPTANCE = { tenth: 0.75, decade: 0.07, least: 0.5, most: 0.8 };
/**
 * Factor of the acceptance rate where tokens are bridged through text. The bridge itself loses nothing
 * that counts (`deno task bench:bridge`); but a model of another family has learnt other texts, and
 * reads the marks of the target's chat template as plain text. Assumed, not measured.
 */
const BRIDGED = 0.9;
/** Reasons of other models that are told. */
const MOST_REASONS = 4;

/** What is expected of a draft model. */
export interface DraftVerdict {
  /** Its name. */
  name: string;
  /** Whether it can draft and is expected to pay. */
  pays: boolean;
  /** Decoding speed as a multiple of that without drafts; 0: it cannot draft. */
  gain: number;
  /** Acceptance rate that plans expect, 0 to 1. */
  acceptance: number;
  /** Whether its tokenizer is another one. */
  bridged: boolean;
  /** The reason, with its figures. */
  why: string;
}

/** A draft model that was looked for. */
export interface FoundDraft {
  /** Undefined: none pays. */
  draft?: StoredModel;
  /** Of `draft`; undefined: there is none. */
  verdict?: DraftVerdict;
  /** Which model drafts and why, or why none does. */
  why: string;
}

/** Which of the models drafts best for a target. */
export async function findDraft(
  target: StoredModel,
  models: readonly StoredModel[],
): Promise<FoundDraft> {
  const others = models.filter(({ manifest }) => manifest.name !== target.manifest.name);
  const judged: { model: StoredModel; verdict: DraftVerdict }[] = [];
  for (const model of others) {
    judged.push({ model, verdict: limited(await judgeDraft(target, model)) });
  }
  const [best] = judged.filter(({ verdict }) => verdict.pays)
    // A bridge loses drafts in ways that are known less well.
    .sort((a, b) =>
      Number(a.verdict.bridged) - Number(b.verdict.bridged) || b.verdict.gain - a.verdict.gain
    );
  const rest = judged.filter((one) => one !== best).map(({ verdict: { name, why } }) =>
    `${name}: ${why}`
  );
  const more = rest.length > MOST_REASONS ? `; and ${rest.length - MOST_REASONS} more` : "";
  const told = rest.slice(0, MOST_REASONS).join("; ") + more;
  if (!best) {
    const why = others.length === 0
      ? `no draft model: ${target.manifest.name} is the only model in the store`
      : `no draft model: none of ${others.length} in the store pays (${told})`;
    return { why };
  }
  const { name, why } = best.verdict;
  return {
    draft: best.model,
    verdict: best.verdict,
    why: `${name}: ${why}${told === "" ? "" : ` (not ${told})`}`,
  };
}

/**
 * The embedded model and its draft model have learnt a few topics, and guess little of what a model of
 * another family writes: nobody is given them who has not asked for them.
 */
const limited = (verdict: DraftVerdict): DraftVerdict =>
  verdict.pays && verdict.bridged && isEmbeddedName(verdict.name)
    ? { ...verdict, pays: false, why: "another tokenizer, and it has learnt few topics only" }
    : verdict;

/** What is expected of one model as the draft model of another. */
export async function judgeDraft(target: StoredModel, draft: StoredModel): Promise<DraftVerdict> {
  const { name, geometry } = draft.manifest;
  const cost = rowBytes(draft.manifest) / rowBytes(target.manifest);
  const acceptance = acceptanceOf(parametersOf(draft.manifest) / parametersOf(target.manifest));
  const verdict = { name, acceptance, bridged: false, gain: 0, pays: false };
  const reads = `a token of it reads ${percent(cost)} of the target's bytes`;
  const equal = expectedGain(acceptance, cost);
  // Another tokenizer can only make it slower.
  if (equal < LEAST_GAIN) return { ...verdict, gain: equal, why: `${reads}, which gains nothing` };
  const differs = await vocabularyDifference(target, draft);
  if (!differs) {
    const why = `an equal tokenizer; ${reads}: ${expected(equal, acceptance)}`;
    return { ...verdict, gain: equal, pays: true, why };
  }
  const { difference, ratio = 1, unbridged } = differs;
  const other = `another tokenizer (${difference})`;
  if (unbridged !== undefined) return { ...verdict, why: `${other}, and ${unbridged}` };
  if (target.manifest.geometry.context > geometry.context) {
    return { ...verdict, why: `${other}, and its context of ${geometry.context} is shorter` };
  }
  // A token of the target that takes several of the draft model's is right where all of these are.
  const through = BRIDGED * acceptance ** Math.max(1, ratio);
  const gain = expectedGain(through, cost * ratio, cost); // a draft has one token more
  const why = `${other}, bridged through text with ${ratio.toFixed(2)} of its tokens for one ` +
    `of the target's; ${reads}: ${expected(gain, through)}`;
  return { ...verdict, acceptance: through, gain, pays: gain >= LEAST_GAIN, bridged: true, why };
}

/**
 * The most that drafts of one length give, as a multiple of plain decoding on one stage. `cost`:
 * what the draft model computes for a token of the target, as a share of the target's frame of one
 * row; `once`: the same for each draft.
 */
export function expectedGain(acceptance: number, cost: number, once = 0): number {
  let [best, tokens, reach] = [1, 1, 1];
  for (let length = 1; length <= LONGEST; length++) {
    tokens += reach *= acceptance;
    best = Math.max(best, tokens / (1 + length * (ROW_SHARE + cost) + once));
  }
  return best;
}

/** Acceptance rate that is expected of a draft model with this share of the parameters, 0 to 1. */
function acceptanceOf(share: number): number {
  const { tenth, decade, least, most } = ACCEPTANCE;
  return Math.min(most, Math.max(least, tenth + decade * (1 + Math.log10(share))));
}

/** Bytes of weights that a token reads: of experts those that it computes. */
function rowBytes(manifest: Manifest): number {
  const { experts } = manifest.geometry;
  const layers = manifest.layers.reduce((sum, { bytes, tensors }) => {
    if (!experts) return sum + bytes;
    const ofExperts = Object.entries(tensors)
      .filter(([key]) => key.startsWith("mlp.experts."))
      .reduce(
        (all, [, { data, scales, zeros }]) =>
          all + data.bytes + (scales?.bytes ?? 0) + (zeros?.bytes ?? 0),
        0,
      );
    return sum + bytes - ofExperts * (1 - experts.active / experts.count);
  }, 0);
  return layers + headBytes(manifest);
}

const parametersOf = (manifest: Manifest): number =>
  groupsOf(manifest).reduce(
    (sum, { tensors }) =>
      sum + Object.values(tensors).reduce(
        (all, { shape }) => all + shape.reduce((a, b) => a * b, 1),
        0,
      ),
    0,
  );

const percent = (share: number) => `${Number((100 * share).toPrecision(2))} %`;

const expected = (gain: number, acceptance: number) =>
  `${gain.toFixed(2)} times plain decoding expected at acceptance ${acceptance.toFixed(2)}`;
