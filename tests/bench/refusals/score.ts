/**
 * What an answer of the embedded model to a question is: a refusal, the topic that was asked for, or
 * another one.
 *
 * @module
 */
import { OutlineScorer, REFUSED, type Topic } from "../outline/score.ts";

/**
 * What an answer is. `declined`: small talk that says that the model cannot write code, cannot do
 * maths or knows no other language, as a refusal does.
 */
export type Verdict = "refused" | "declined" | "right" | "other";

/** Beginnings of the small talk that declines. */
const DECLINED = ["No, I cannot write code.", "No, I cannot do maths.", "I only know English."];

/** Topics that answer the same question in other words. */
const SAME = [["sew-on-a-button", "sew-on-a-button-living"]];

/** Judges answers by the corpus. */
export class RefusalScorer {
  readonly #topics: ReadonlyMap<string, Topic>;
  readonly #outlines: OutlineScorer;

  /** `topics` are all topics of the corpus. */
  constructor(topics: readonly Topic[]) {
    this.#topics = new Map(topics.map((topic) => [topic.id, topic]));
    this.#outlines = new OutlineScorer(topics);
  }

  /**
   * What an answer is; `id` is the topic asked for, undefined where the corpus has none. An answer
   * may be cut behind its first sentence. Throws for an `id` that the corpus lacks.
   */
  judge(text: string, { id, outline }: { id?: string; outline: boolean }): Verdict {
    if (text.startsWith(REFUSED)) return "refused";
    if (DECLINED.some((begin) => text.startsWith(begin))) return "declined";
    if (id === undefined) return "other";
    const right = (SAME.find((group) => group.includes(id)) ?? [id]).some((each) => {
      const topic = this.#topics.get(each);
      if (!topic) throw new Error(`the corpus has no topic ${each}`);
      return outline ? this.#outlines.outline(topic, text).nearest : text.startsWith(topic.lead);
    });
    return right ? "right" : "other";
  }
}
