// deno-lint-ignore-file no-console
/**
 * The table of the outline benchmark.
 *
 * @module
 */
import { medianOf } from "../shared/figures.ts";
import type { OutlineScore, PlainScore } from "./score.ts";

/** One answer. */
export interface MeasuredAnswer {
  text: string;
  /** Whether it, or one of its branches, ended at the limit of tokens. */
  cut: boolean;
  /** Tokens that were generated, those of an outline and end tokens included. */
  tokens: number;
  /** Milliseconds from question to end. */
  ms: number;
  /**
   * CPU milliseconds of this process for the answer; unlike the time they mean something on a busy
   * machine too.
   */
  cpuMs: number;
  /** Milliseconds from the start of the generation to the first token. */
  ttftMs: number;
  /** Mode in which it was answered. */
  mode: string;
  why: string;
}

/** The answers to one question in both modes. */
export interface Pair {
  plain: MeasuredAnswer & { score: PlainScore };
  /** `score` is a plain answer's where the outline fell back to one. */
  outline:
    & MeasuredAnswer
    & ({ fellBack: false; score: OutlineScore } | { fellBack: true; score: PlainScore });
}

/** Prints the table, with a column for each set of questions. */
export function printPairs(sets: Map<string, Pair[]>): void {
  const row = (name: string, cell: (pairs: Pair[]) => string) =>
    console.log(
      name.padEnd(64) + [...sets.values()].map((pairs) => cell(pairs).padStart(22)).join(""),
    );
  const plain = (hit: (score: PlainScore) => boolean) => (pairs: Pair[]) =>
    share(pairs.filter(({ plain }) => hit(plain.score)).length, pairs.length);
  const outlines = (pairs: Pair[]) =>
    pairs.flatMap(({ outline }) => outline.fellBack ? [] : [outline.score]);
  const ofOutlines = (hit: (score: OutlineScore) => boolean) => (pairs: Pair[]) =>
    share(outlines(pairs).filter(hit).length, outlines(pairs).length);
  const sum = (pairs: Pair[], field: "sections" | "exact" | "begun" | "near") =>
    outlines(pairs).reduce((total, score) => total + score[field], 0);

  console.log(
    " ".repeat(64) + [...sets.keys()].map((name) => `${name} wording`.padStart(22)).join(""),
  );
  console.log("mode plain, of all questions");
  row("  right topic, by the first sentence", plain((s) => s.leads));
  row("  right topic, by nearest words", plain((s) => s.nearest));
  row("  word for word an answer of the corpus", plain((s) => s.whole));
  row("  refused as unknown", plain((s) => s.refused));
  console.log("mode outline, of all questions");
  row("  outline parsed, answered by it", (pairs) => share(outlines(pairs).length, pairs.length));
  row(
    "  right topic (nearest words), points all there and in order",
    (pairs) => share(outlines(pairs).filter((s) => s.points && s.nearest).length, pairs.length),
  );
  row(
    "  the same, and every point's text word for word",
    (pairs) =>
      share(
        outlines(pairs).filter((s) => s.points && s.nearest && s.exact === s.sections).length,
        pairs.length,
      ),
  );
  row(
    "  right topic, fallbacks' plain answers included",
    (pairs) => share(pairs.filter(({ outline: { score } }) => score.nearest).length, pairs.length),
  );
  console.log("of the answers by an outline");
  row("  numbered sections in order", ofOutlines((s) => s.inForm));
  row("  points all there and in order, for the topic recognised", ofOutlines((s) => s.points));
  row("  right topic, by nearest words", ofOutlines((s) => s.nearest));
  row(
    "  points' texts word for word the corpus's",
    (pairs) => share(sum(pairs, "exact"), sum(pairs, "sections")),
  );
  row(
    "  points' texts word for word, or cut before their end",
    (pairs) => share(sum(pairs, "begun"), sum(pairs, "sections")),
  );
  row(
    "  points' texts with half of the corpus's words",
    (pairs) => share(sum(pairs, "near"), sum(pairs, "sections")),
  );
  row(
    "  cut by the token limit",
    (pairs) =>
      share(
        pairs.filter(({ outline }) => !outline.fellBack && outline.cut).length,
        outlines(pairs).length,
      ),
  );
  console.log("speed through the API, plain / outline (fallbacks included)");
  const both = (cell: (answers: MeasuredAnswer[]) => string) => (pairs: Pair[]) =>
    `${cell(pairs.map((p) => p.plain))} / ${cell(pairs.map((p) => p.outline))}`;
  const total = (answers: MeasuredAnswer[], field: "tokens" | "ms" | "cpuMs") =>
    answers.reduce((sum, a) => sum + a[field], 0);
  row(
    "  tokens an answer, the outline's own included",
    both((a) => (total(a, "tokens") / a.length).toFixed(0)),
  );
  row(
    "  tokens/s from question to end",
    both((a) => (1000 * total(a, "tokens") / total(a, "ms")).toFixed(0)),
  );
  row(
    "  tokens per CPU second",
    both((a) => (1000 * total(a, "tokens") / total(a, "cpuMs")).toFixed(0)),
  );
  row("  ms an answer, mean", both((a) => (total(a, "ms") / a.length).toFixed(0)));
  row(
    "  ms to the first token, median",
    both((a) => medianOf(a.map(({ ttftMs }) => ttftMs)).toFixed(0)),
  );
  printFallbacks(sets);
}

function printFallbacks(sets: Map<string, Pair[]>): void {
  console.log("fallbacks to plain");
  for (const [set, pairs] of sets) {
    const reasons = new Map<string, number>();
    for (const { outline } of pairs) {
      if (!outline.fellBack) continue;
      const why = outline.why.replace(/^.*?the outline could not be used: /, "");
      const reason = `${why}${outline.score.refused ? "; the plain answer refuses too" : ""}`;
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    }
    if (reasons.size === 0) console.log(`  ${set} wording: none`);
    for (const [reason, count] of reasons) {
      console.log(`  ${set} wording: ${count} of ${pairs.length}: ${reason}`);
    }
  }
}

/** A share in the form `50.0 % (1/2)`; `-` if `of` is 0. */
export function share(count: number, of: number): string {
  return of === 0 ? "-" : `${(100 * count / of).toFixed(1)} % (${count}/${of})`;
}
