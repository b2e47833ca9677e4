/**
 * How far the branches of an answer by outline keep to their own points: what they repeat of each
 * other, and whether each says what belongs under its own heading.
 *
 * @module
 */
import { overlap, type Section, wordsOf } from "./score.ts";

/** Words in a run; two texts overlap where they have a run in common. */
const RUN_WORDS = 3;
/** Words that a section must have besides those of its heading, or it says nothing. */
const FEWEST_WORDS = 5;

/** What was counted in the sections of some answers. */
export interface BranchCounts {
  /** Answers by outline. */
  answers: number;
  sections: number;
  /** Runs of three words in all sections. */
  runs: number;
  /** Those of them that stand in another section of the same answer too. */
  repeated: number;
  /** Sections that say more than their heading. */
  said: number;
  /** Those whose words fit what is wanted under their heading better than under any other. */
  right: number;
}

/** Counts of no answers. */
export const NO_BRANCHES: BranchCounts = {
  answers: 0,
  sections: 0,
  runs: 0,
  repeated: 0,
  said: 0,
  right: 0,
};

/**
 * The counts with those of one more answer. `wanted` are the texts that should stand in its
 * sections; without them none counts as right.
 */
export function countBranches(
  counts: BranchCounts,
  sections: readonly Section[],
  wanted: readonly string[] = [],
): BranchCounts {
  const runs = sections.map(({ text }) => runsOf(text));
  let { repeated, said, right } = counts;
  for (const [i, own] of runs.entries()) {
    const others = new Set(runs.flatMap((of, k) => k === i ? [] : [...of]));
    repeated += own.intersection(others).size;
    const { text, point } = sections[i];
    if (wordsOf(text).difference(wordsOf(point)).size < FEWEST_WORDS) continue;
    said++;
    const fits = wanted.map((of) => overlap(text, of));
    if (fits[i] > 0 && fits.every((fit, k) => k === i || fit < fits[i])) right++;
  }
  return {
    answers: counts.answers + 1,
    sections: counts.sections + sections.length,
    runs: counts.runs + runs.reduce((sum, { size }) => sum + size, 0),
    repeated,
    said,
    right,
  };
}

/** The different runs of words of a text, in lower case. */
function runsOf(text: string): Set<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return new Set(
    words.slice(RUN_WORDS - 1).map((_, i) => words.slice(i, i + RUN_WORDS).join(" ")),
  );
}
