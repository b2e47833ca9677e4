/**
 * Reads the questions of the outline benchmark from the corpus of the embedded model.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { Topic } from "./score.ts";

const CORPUS = new URL("../../../models/training/corpus/", import.meta.url);
const DOMAINS = ["computing", "home", "living", "nature"];

const topicSchema = z.object({
  id: z.string(),
  questions: z.array(z.string()).min(1),
  heldout: z.array(z.string()).min(1),
  answer: z.string(),
  outline: z.array(z.object({ point: z.string(), text: z.string() })).min(2),
});

const wordingSchema = z.object({
  id: z.string(),
  lead: z.string(),
  wordings: z.array(z.string()).min(1),
  more: z.array(z.string()),
});

/**
 * All topics, as models/training/corpus.py reads them. Throws a ZodError for a file of another
 * form.
 */
export async function readTopics(): Promise<Topic[]> {
  const wordings = new Map(
    (await readLines(CORPUS, "wordings", wordingSchema)).map((w) => [w.id, w]),
  );
  const topics = (await Promise.all(DOMAINS.map((name) => readLines(CORPUS, name, topicSchema))))
    .flat();
  return topics.map(({ id, questions, heldout, answer, outline }) => {
    const more = wordings.get(id);
    if (!more) throw new Error(`wordings.jsonl has no line for topic ${id}`);
    // The training left one wording of each topic out, by which models were chosen: it is neither
    // trained nor unseen.
    const dev = Array.from(id).reduce((sum, c) => sum + c.codePointAt(0)!, 0) %
      more.wordings.length;
    return {
      id,
      lead: more.lead,
      answer: `${more.lead} ${answer}`,
      outline,
      trained: [...questions, ...more.wordings.toSpliced(dev, 1), ...more.more],
      dev: more.wordings[dev],
      heldOut: heldout,
    };
  });
}

/** The lines of a `.jsonl` file. Throws a ZodError for a line of another form. */
export async function readLines<T extends z.ZodType>(
  folder: URL,
  name: string,
  schema: T,
): Promise<z.infer<T>[]> {
  const text = await readFile(new URL(`${name}.jsonl`, folder), "utf8");
  return text.trim().split("\n").map((line) => schema.parse(JSON.parse(line)));
}
