/**
 * Reads the questions of the benchmark of refusals, on which nothing was trained and by which nothing
 * was chosen; and those by which the settings of the model's scope were chosen.
 *
 * @module
 */
import { z } from "zod";
import { readLines, readTopics } from "../outline/corpus.ts";

const HELD_OUT = new URL("../../../models/training/heldout/", import.meta.url);
const CORPUS = new URL("../../../models/training/corpus/", import.meta.url);

const offTopicSchema = z.object({ kind: z.string().min(1), question: z.string().min(1) });
const knownSchema = z.object({ id: z.string().min(1), question: z.string().min(1) });

/** A question about nothing that the embedded model learned; `kind` groups them. */
export type OffTopic = z.infer<typeof offTopicSchema>;

/** A question about one of its topics, in words that it was not trained on; `id` is the topic's. */
export type KnownTopic = z.infer<typeof knownSchema>;

/** Questions that are to be refused. Throws a ZodError for a file of another form. */
export const readOffTopic = (): Promise<OffTopic[]> =>
  readLines(HELD_OUT, "off_topic", offTopicSchema);

/** Questions that are to be answered. Throws a ZodError for a file of another form. */
export const readKnownTopics = (): Promise<KnownTopic[]> =>
  readLines(HELD_OUT, "known_topics", knownSchema);

/** Off-topic questions by which settings were chosen. Throws a ZodError for a file of another form. */
export async function readOffTopicDev(): Promise<string[]> {
  const questions = await readLines(CORPUS, "offtopic_dev", offTopicSchema);
  return questions.map(({ question }) => question);
}

/** The wording of each topic by which settings were chosen. */
export const readDevWordings = async (): Promise<string[]> =>
  (await readTopics()).map(({ dev }) => dev);
