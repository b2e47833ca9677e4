/**
 * How answers about the embedded model's topics are scored: the measures of
 * models/training/evaluate.py, for whole answers as a client sees them.
 *
 * @module
 */

/** A point of an outline and what is said about it. */
export interface Section {
  /** Without its number. */
  point: string;
  text: string;
}

/** A topic of the embedded model's corpus. */
export interface Topic {
  /** Unique. */
  id: string;
  /** First sentence of the plain answer. */
  lead: string;
  /** The whole plain answer, its lead included. */
  answer: string;
  /** In order. */
  outline: Section[];
  /** Wordings of the question that the model was trained on. */
  trained: string[];
  /** Wordings that it has never seen. */
  heldOut: string[];
}

/** How a plain answer was. */
export interface PlainScore {
  /** It begins with the first sentence of the topic that was asked for. */
  leads: boolean;
  /**
   * Of all topics' answers, that of the topic asked for has most words with it in common. A refusal
   * is about no topic.
   */
  nearest: boolean;
  /** It is some topic's answer, word for word. */
  whole: boolean;
  /** The model says that it has not learned about that. */
  refused: boolean;
}

/** How an answer by its outline was. */
export interface OutlineScore {
  /**
   * Sections that have a topic's point, each numbered by its place, follow each other. Without
   * that, nothing else is true.
   */
  inForm: boolean;
  /** Its points are, all and in order, those of the topic that they are nearest to. */
  points: boolean;
  /** That topic is the one asked for. */
  nearest: boolean;
  /** Sections. */
  sections: number;
  /** Sections whose text is, word for word, that topic's own about that point. */
  exact: number;
  /** Sections whose text is the beginning of it, or all: right, and perhaps cut. */
  begun: number;
  /** Sections whose text has at least half of the words of that topic's own about that point. */
  near: number;
}

const REFUSED = "I have not learned about";

/** Words of four letters and more, in lower case. */
export function wordsOf(text: string): Set<string> {
  return new Set(text.toLowerCase().match(/[a-z]{4,}/g));
}

/**
 * Share of the wanted text's words that occur in `text`, 0 .. 1; 0 for a wanted text without words.
 */
export function overlap(text: string, wanted: string): number {
  const all = wordsOf(wanted);
  return all.size === 0 ? 0 : wordsOf(text).intersection(all).size / all.size;
}

/**
 * The sections of an answer by its outline, `1. Point: text`, with a blank line between them;
 * undefined for text of any other form and for numbers that do not count from 1.
 */
export function readSections(text: string): Section[] | undefined {
  const sections: Section[] = [];
  for (const [i, part] of text.split(/\n\n(?=\d+\. )/).entries()) {
    const found = /^(\d+)\. (.+?): (.*)$/s.exec(part);
    if (!found || Number(found[1]) !== i + 1) return undefined;
    sections.push({ point: found[2], text: found[3].trim() });
  }
  return sections;
}

/** Scores answers against the topics of a corpus. */
export class OutlineScorer {
  readonly #topics: readonly Topic[];
  readonly #answers: Set<string>[];
  readonly #outlines: Set<string>[];

  /** `topics` are all that an answer may be about, not only those asked for. */
  constructor(topics: readonly Topic[]) {
    this.#topics = topics;
    this.#answers = topics.map(({ answer }) => wordsOf(answer));
    this.#outlines = topics.map(({ outline }) => wordsOf(pointsOf(outline)));
  }

  /** An answer in mode plain to a question about `asked`. */
  plain(asked: Topic, text: string): PlainScore {
    const refused = text.startsWith(REFUSED);
    return {
      leads: text.startsWith(asked.lead),
      nearest: !refused && this.#nearest(text, this.#answers) === asked,
      whole: this.#topics.some(({ answer }) => answer === text),
      refused,
    };
  }

  /** An answer in mode outline, not one that fell back, to a question about `asked`. */
  outline(asked: Topic, text: string): OutlineScore {
    const sections = readSections(text);
    if (!sections) {
      return {
        inForm: false,
        points: false,
        nearest: false,
        sections: 0,
        exact: 0,
        begun: 0,
        near: 0,
      };
    }
    const topic = this.#nearest(pointsOf(sections), this.#outlines);
    const own = sections.map(({ point }) => topic?.outline.find((o) => o.point === point)?.text);
    const count = (right: (text: string, wanted: string) => boolean) =>
      sections.filter(({ text }, i) => own[i] !== undefined && right(text, own[i])).length;
    return {
      inForm: true,
      points: pointsOf(sections) === pointsOf(topic?.outline ?? []),
      nearest: topic === asked,
      sections: sections.length,
      exact: count((text, wanted) => text === wanted),
      begun: count((text, wanted) => text !== "" && wanted.startsWith(text)),
      near: count((text, wanted) => overlap(text, wanted) >= 0.5),
    };
  }

  /**
   * The topic whose bag has most words in common with the text, longer bags counting less; the
   * first of equals, and none without any.
   */
  #nearest(text: string, bags: readonly Set<string>[]): Topic | undefined {
    const own = wordsOf(text);
    const scores = bags.map((bag) => own.intersection(bag).size / Math.sqrt(1 + bag.size));
    const most = Math.max(...scores);
    return most > 0 ? this.#topics[scores.indexOf(most)] : undefined;
  }
}

const pointsOf = (sections: readonly Section[]) => sections.map(({ point }) => point).join("\n");

/**
 * Precision and recall of a yes-or-no judgement; `said` is the judgement, `true` the label. A share
 * of nothing is NaN.
 *
 * @returns `precision` and `recall`, 0 .. 1, and the questions judged wrongly, in order
 */
export function precisionRecall<T extends { suited: boolean }>(
  items: readonly T[],
  said: (item: T) => boolean,
): { precision: number; recall: number; wrong: T[] } {
  const taken = items.filter(said);
  const right = taken.filter(({ suited }) => suited).length;
  return {
    precision: right / taken.length,
    recall: right / items.filter(({ suited }) => suited).length,
    wrong: items.filter((item) => said(item) !== item.suited),
  };
}
