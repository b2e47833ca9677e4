/**
 * Schemas of other projects with valid and invalid instances, where a collection of them is there: a
 * file beside the repository, one schema a line.
 *
 * @module
 */
import { join } from "node:path";

const FILE = join(
  import.meta.dirname!,
  "../../../shared/data/fetched/schemas/maskbench-sample.jsonl",
);

/** A schema and its instances. */
export interface CollectedSchema {
  id: string;
  schema: unknown;
  tests: { valid: boolean; data: unknown }[];
}

/** Path of the collection; undefined: it is not there, and what needs it is skipped. */
export const SCHEMAS_FILE: string | undefined = await Deno.stat(FILE).then(
  () => FILE,
  () => undefined,
);

/** The collection. */
export async function collected(): Promise<CollectedSchema[]> {
  if (SCHEMAS_FILE === undefined) return [];
  const lines = (await Deno.readTextFile(SCHEMAS_FILE)).trim().split("\n");
  return lines.map((line) => JSON.parse(line));
}
