/**
 * The folder `trust` below `--data`.
 *
 * | file                       | what it holds                                               | where         |
 * | -------------------------- | ----------------------------------------------------------- | ------------- |
 * | `authority.json`           | the key and certificate of the cluster's authority          | the first node |
 * | `tokens.json`              | join tokens, with hashes of their secrets                   | the first node |
 * | `identities.json`          | the nodes that were taken in, and those that were removed   | the first node |
 * | `roll.json`                | the list of members that the authority signed last          | the first node |
 * | `first.json`               | where the first node's mailbox listens                      | the first node |
 * | `nodes/NAME-PORT.json`     | a node's key, and the cluster that it belongs to            | every node    |
 *
 * @module
 */
import { join } from "node:path";
import { z } from "zod";
import { RecordFile } from "./record_file.ts";

/** The folder of a model store's folder. */
export const trustFolder = (data: string): string => join(data, "trust");

const firstSchema = z.object({
  first: z.object({ host: z.string(), port: z.number().int(), node: z.string().optional() })
    .optional(),
});

const firstFile = (data: string) =>
  new RecordFile(join(trustFolder(data), "first.json"), firstSchema, () => ({}));

/**
 * Where the first node's mailbox listened when it was started last, and its id; undefined: it never
 * was.
 */
export async function readFirstNode(
  data: string,
): Promise<{ host: string; port: number; node?: string } | undefined> {
  return (await firstFile(data).read()).first;
}

/** Notes where the first node's mailbox listens, and its id. */
export async function writeFirstNode(
  data: string,
  address: { host: string; port: number; node: string },
): Promise<void> {
  await firstFile(data).update((value) => void (value.first = { ...address }));
}
