/**
 * Which registry the servers of a data folder opened last, so that commands beside them find what
 * the cluster keeps there: `registry/where.json` below `--data`. The text is that of `--registry`,
 * which names files with secrets and holds none.
 *
 * @module
 */
import { join } from "node:path";
import { z } from "zod";
import { RecordFile } from "../trust/mod.ts";

const schema = z.object({ registry: z.string().optional() });

const noteOf = (data: string) =>
  new RecordFile(join(data, "registry", "where.json"), schema, () => ({}));

/** Notes it; throws `file_broken` and `file_busy` (group `trust`). */
export async function noteRegistry(data: string, registry: string): Promise<void> {
  await noteOf(data).update((value) => void (value.registry = registry));
}

/** What was noted; undefined: no server was started with this folder. Throws `file_broken`. */
export async function notedRegistry(data: string): Promise<string | undefined> {
  return (await noteOf(data).read()).registry;
}
