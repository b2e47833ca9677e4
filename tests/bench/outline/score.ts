/**
 * How answers about the embedded model's topics are scored: the measures of
 * models/training/evaluate.py, for whole answers as a client sees them.
 *
 * @module
 */

/** A point of an outline and what is said about it. */
export interface Section {
  /** The point without its number. */
  point: string;
  text: string;
}

/** A topic of the embedded model's corpus. */
export interface Topic {
  /** Unique id. */
  id: string;
  /** First sentence of the plain answer. */
  lead: string;
  /** The whole plain answer, its lead included. */
  answer: string;
  /** The points in order, each with its text. */
  outline: Section[];
  /** Wordings of the question that the model was trained on. */
  trained: string[];
  /** The wording that it was not trained on and by which it was chosen. */
  dev: string;
  /** Wordings that it has never seen. */
  heldOut: string[];
}

/** Score of a plain answer. */
export interface PlainScore {
  /** Whether it begins with the first sentence of the topic that was asked for. */
  leads: boolean;
  /**
   * Whether, of all topics' answers, the one of the topic asked for has most words in common with
   * it. A refusal is about no topic.
   */
  nearest: boolean;
  /** Whether it is some topic's answer, word for word. */
  whole: boolean;
  /** Whether the model says that it has not learned about the topic. */
  refused: boolean;
}

/** Score of an answer by outline. */
export interface OutlineScore {
  /**
   * Whether it consists of sections that are numbered by their place, each with a point. If not,
   * every other field is false or 0.
   */
  inForm: boolean;
  /** Whether its points are, all and in order, those of the topic to which they are nearest. */
  points: boolean;
  /** Whether that topic is the one asked for. */
  nearest: boolean;
  /** Number of sections. */
  sections: number;
  /** Number of sections whose text is, word for word, that topic's own about that point. */
  exact: number;
  /** Number of sections whose text is the beginning of it, or all of it: right, but perhaps cut. */
  begun: number;
  /**
   * Number of sections whose text has at least half of the words of that topic's own about that
   * point.
   */
  near: number;
}

/** Beginning of each answer with which the model says that it has not learned about something. */
export const REFUSED = "I have not learned about";

/** Words of four letters and more, in lower case. */
export function wordsOf(text: string): Set<string> {
  return new Set(text.toLowerCase().match(/[a-z]{4,}/g));
}

/**
 * Share of the wanted text's words that occur in `text`, 0 to 1; 0 for a wanted text without words.
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

  /** `topics` are all topics that an answer may be about, not only those asked for. */
  constructor(topics: readonly Topic[]) {
    this.#topics = topics;
    this.#answers = topics.map(({ answer }) => wordsOf(answer));
    this.#outlines = topics.map(({ outline }) => wordsOf(pointsOf(outline)));
  }

  /** Scores an answer in mode plain to a question about `asked`. */
  plain(asked: Topic, text: string): PlainScore {
    const refused = text.startsWith(REFUSED);
    return {
      leads: text.startsWith(asked.lead),
      nearest: !refused && this.#nearest(text, this.#answers) === asked,
      whole: this.#topics.some(({ answer }) => answer === text),
      refused,
    };
  }

  /** Scores an answer in mode outline (not one that fell back) to a question about `asked`. */
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
   * The topic whose words (`bags`, one for each topic) have most in common with the text, longer
   * ones counting less; of equals the first. Undefined if none has any word in common.
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
