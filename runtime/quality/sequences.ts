/**
 * Texts as token sequences that are run through a model.
 *
 * @module
 */
import type { ModelParts, Passage } from "../../models/mod.ts";

/** Most tokens of a sequence. */
export const SEQUENCE_TOKENS = 256;

/** Day that chat templates take for today: a result must not depend on the date. */
const TODAY = new Date("2025-01-01T12:00:00Z");

/** A token sequence. */
export interface Sequence {
  tokens: Int32Array;
  /** First row whose next token counts in a measurement: of an answer, the prompt's last one. */
  from: number;
}

/**
 * The sequences of a text: each question with its answer in the model's chat template; all else one
 * passage after the other, cut where a sequence is full. None is longer than the model's context.
 */
export function sequencesOf(
  passages: readonly Passage[],
  { texts, geometry }: Pick<ModelParts, "texts" | "geometry">,
): Sequence[] {
  const { tokenizer, template, bos, ends } = texts;
  const most = Math.min(SEQUENCE_TOKENS, geometry.context);
  const ids = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  const sequences: Sequence[] = [];
  const start = bos === null ? [] : [bos];
  let plain: number[] = [];
  const add = (tokens: number[], from: number) => {
    const some = tokens.slice(0, most);
    if (some.length - from >= 2) sequences.push({ tokens: Int32Array.from(some), from });
  };
  for (const passage of passages) {
    if ("text" in passage) {
      plain.push(...ids(`${passage.text}\n\n`));
      continue;
    }
    const messages = [{ role: "user", content: passage.question }];
    const prompt = ids(template.render(messages, { now: TODAY }));
    add([...prompt, ...ids(passage.answer), ...ends.slice(0, 1)], prompt.length - 1);
  }
  const size = most - start.length;
  for (; plain.length > 0; plain = plain.slice(size)) add([...start, ...plain.slice(0, size)], 0);
  return sequences;
}
