/**
 * What the classifier looks at in a question: its words, pairs and beginnings, its frame (the
 * question with all but the common words left out), parts of words (so that it copes with typing
 * errors, inflection and other languages), its form, and which of the router's rules match. Each is
 * a number between 0 and 2^17 - 1, a hash of its text.
 *
 * The weights were trained on exactly these features: whoever changes them, the rules or the words
 * below trains anew (`deno task train:router`). A test compares the fingerprint in the weights.
 *
 * @module
 */
import { matchingRules, readQuestion } from "./rules.ts";

/** Number of different features. */
export const FEATURES = 1 << 17;

/** The features of a question: `ids` of those that it has, and how much each counts. */
export interface Features {
  ids: Int32Array;
  values: Float64Array;
}

/** Most characters that are looked at; of a longer question its first and its last ones. */
const MOST_CHARACTERS = 1500;
/** How much the features of form and the matching rules count; a group of words counts 1. */
const FORM_VALUE = 0.5;
/** Longest beginning of a question or of its last sentence that is a feature, in words. */
const LONGEST_BEGINNING = 4;
/** Longest part of a question's frame that is a feature, in words; that of its beginning is 6. */
const LONGEST_FRAME = 4;
const LONGEST_FRAME_BEGINNING = 6;

/** Matches scripts that write words without spaces between them. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Khmer}]/u;

/** The words that stay in a question's frame. All others become `*`, `*s` or `*ing`. */
const FRAME_WORDS = new Set(
  `a an the this that these those my your our their his her its me you i we us they he she it him
  them who whom whose which what where when why how is are was were be been being am do does did
  done doing have has had having can could will would shall should may might must not no nor and or
  but if then than so because as since while until unless although though of to in on at by for from
  with without about into onto over under between among through during before after above below up
  down out off again further here there all any both each few more most other some such only own
  same too very just don't can't won't didn't isn't aren't i'm it's what's how's who's where's let's
  please tell give get make let know want need like use say go come see look find think take keep
  write explain describe list name compare discuss suggest recommend create summarize translate
  calculate solve prove show help define draw plan design generate compose draft tips advice ideas
  ways reasons advantages disadvantages pros cons benefits effects causes difference differences
  types kinds examples factors steps main best good better way things thing people one two three
  five ten many much often long old far someone somebody something anything everything everyone first
  last next new following text sentence story poem word words function code using used vs versus
  happen happens happened imagine suppose pretend act consider buy learn start stop prepare deal
  handle improve avoid work works become choose`.split(/\s+/),
);

/** The features of a question. */
export function featuresOf(question: string): Features {
  const text = question.length <= MOST_CHARACTERS
    ? question
    : `${question.slice(0, MOST_CHARACTERS / 2)} ${question.slice(-MOST_CHARACTERS / 2)}`;
  const asked = readQuestion(text);
  const words = wordsOf(asked.request);
  const sentences = asked.request.split(/(?<=[.?!])\s+/).filter((s) => s.trim() !== "");
  const groups = [
    [...words.map((w) => `w${w}`), ...runs(words, 2).map((run) => `b${run}`)],
    beginnings(words, LONGEST_BEGINNING).map((run) => `^${run}`),
    frameOf(words),
    partsOf(words),
    lastSentenceOf(sentences),
  ];
  const values = new Map<number, number>();
  const add = (feature: string, value: number) => {
    const id = hash(feature);
    values.set(id, Math.max(value, values.get(id) ?? 0));
  };
  for (const group of groups) {
    const different = new Set(group);
    for (const feature of different) add(feature, 1 / Math.sqrt(different.size));
  }
  const rules = matchingRules(asked);
  for (const rule of rules) add(`r${rule}`, FORM_VALUE);
  add(`R${rules[0] ?? ""}`, FORM_VALUE);
  for (const mark of formOf(text, { words: words.length, sentences: sentences.length })) {
    add(mark, FORM_VALUE);
  }
  return { ids: Int32Array.from(values.keys()), values: Float64Array.from(values.values()) };
}

/** Words in lower case, numbers as 0, and every other sign by itself. */
function wordsOf(text: string): string[] {
  return text.toLowerCase().replace(/\d+/g, "0").match(
    /[\p{L}\p{M}]+(?:'\p{L}+)?|0|[^\s\p{L}\p{N}]/gu,
  ) ?? [];
}

/** All runs of `length` words. */
function runs(words: readonly string[], length: number): string[] {
  const out: string[] = [];
  for (let i = 0; i + length <= words.length; i++) out.push(words.slice(i, i + length).join(" "));
  return out;
}

/** The first word, the first two words, and so on. */
function beginnings(words: readonly string[], longest: number): string[] {
  return Array.from(
    { length: Math.min(longest, words.length) },
    (_, i) => words.slice(0, i + 1).join(" "),
  );
}

/** Runs of the question's frame. */
function frameOf(words: readonly string[]): string[] {
  const frame = words.map((word) => {
    if (FRAME_WORDS.has(word) || !/\p{L}/u.test(word)) return word;
    if (word.length > 3 && word.endsWith("s")) return "*s";
    return word.endsWith("ing") ? "*ing" : "*";
  });
  const out: string[] = [];
  for (let n = 2; n <= LONGEST_FRAME; n++) out.push(...runs(frame, n).map((run) => `s${run}`));
  out.push(...beginnings(frame, LONGEST_FRAME_BEGINNING).slice(1).map((run) => `S${run}`));
  return out;
}

/** Parts of 3 to 5 characters of longer words, of 1 to 3 where words have no spaces. */
function partsOf(words: readonly string[]): string[] {
  const out: string[] = [];
  for (const word of words) {
    const unspaced = UNSPACED.test(word);
    if (!unspaced && word.length < 4) continue;
    const [text, shortest, longest] = unspaced ? [word, 1, 3] : [`<${word}>`, 3, 5];
    for (let n = shortest; n <= longest; n++) {
      for (let i = 0; i + n <= text.length; i++) out.push(`c${text.slice(i, i + n)}`);
    }
  }
  return out;
}

/** Words and beginnings of the last sentence that asks, where the question has several sentences. */
function lastSentenceOf(sentences: readonly string[]): string[] {
  if (sentences.length < 2) return [];
  const words = wordsOf(sentences.findLast((s) => s.includes("?")) ?? sentences.at(-1)!);
  return [
    ...beginnings(words, LONGEST_BEGINNING).map((run) => `$${run}`),
    ...words.map((word) => `L${word}`),
  ];
}

/** Length and marks of a question, as names of features. */
function formOf(text: string, counted: { words: number; sentences: number }): string[] {
  const bounds = [4, 7, 10, 15, 25, 50, 90];
  const out = [
    `n${bounds.filter((bound) => counted.words >= bound).length}`,
    `m${Math.min(5, counted.sentences)}`,
  ];
  const numbers = text.match(/\d+/g)?.length ?? 0;
  if (numbers > 0) out.push(`d${Math.min(4, numbers)}`);
  const marks: [string, RegExp][] = [
    ["lines", /\n/],
    ["colon", /:\s/],
    ["quotes", /["“”«»„]/],
    ["signs", /[`{}=;<>\\]|\(\)/],
    ["asks", /\?\s*$/],
    ["identifier", /[A-Z]\w*[A-Z]|_\w|\w\.\w{2,}/],
    ["first person", /\b(?:my|our|i|i'm|i've|we)\b/i],
    ["unspaced", UNSPACED],
  ];
  for (const [name, mark] of marks) if (mark.test(text)) out.push(name);
  return out;
}

/** FNV-1a of the text's UTF-16 units, with its bits mixed, as a feature's number. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return ((h ^ (h >>> 12)) >>> 0) % FEATURES;
}
