/**
 * Deletes what a store no longer needs.
 *
 * A blob is in use while its hash stands in a manifest (a malformed one too) or in the journal of
 * an unfinished conversion. A stage graph is in use while all blobs that it refers to are; a RoPE
 * table, while a stage graph refers to it.
 *
 * @module
 */
import { join } from "node:path";
import type { BlobFolder } from "./blobs.ts";
import { removeIfThere } from "./files.ts";

/** Age at which an interrupted conversion is given up, in milliseconds: 30 days. */
const STALE_JOB_MS = 30 * 24 * 3600 * 1000;
/**
 * Age below which an unused table is kept, in milliseconds: another process may be about to write
 * the stage graph that refers to it.
 */
const YOUNG_MS = 60_000;

const HASH = /[0-9a-f]{64}/g;
const TABLE = /rope-[0-9a-f]{32}/g;

/**
 * Deletes those of `candidates` (sha256 of blobs) that nothing uses, then the stage graphs and
 * tables that depended on them. The caller holds the store's lock.
 */
export async function collectGarbage(
  dir: string,
  blobs: BlobFolder,
  candidates: Iterable<string>,
): Promise<void> {
  const used = new Set<string>();
  for await (const name of entries(join(dir, "models"))) {
    for (const hash of await matches(join(dir, "models", name, "manifest.json"), HASH)) {
      used.add(hash);
    }
  }
  for await (const name of entries(join(dir, "jobs"))) {
    const path = join(dir, "jobs", name);
    if (await ageMs(path) > STALE_JOB_MS) await removeIfThere(path);
    else for (const hash of await matches(path, HASH)) used.add(hash);
  }
  const dead = new Set(candidates).difference(used);
  for (const sha256 of dead) await blobs.remove(sha256);
  await collectGraphs(blobs, used);
}

/**
 * Deletes stage graphs that refer to a blob outside `used`, and tables to which no stage graph
 * refers any more.
 */
async function collectGraphs(blobs: BlobFolder, used: Set<string>): Promise<void> {
  const tables: string[] = [];
  const usedTables = new Set<string>();
  for await (const name of entries(blobs.dir)) {
    const path = join(blobs.dir, name);
    if (/^rope-[0-9a-f]{32}$/.test(name)) tables.push(name);
    if (!/^stage-[0-9a-f]{32}\.onnx$/.test(name)) continue;
    const points = await matches(path, HASH);
    if (points.isSubsetOf(used)) {
      for (const table of await matches(path, TABLE)) usedTables.add(table);
    } else await removeIfThere(path);
  }
  for (const table of tables) {
    const path = join(blobs.dir, table);
    if (!usedTables.has(table) && await ageMs(path) > YOUNG_MS) await removeIfThere(path);
  }
}

/** All matches of a pattern in a file; empty when the file does not exist. */
async function matches(path: string, pattern: RegExp): Promise<Set<string>> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return new Set();
    }
    throw error;
  }
  return new Set(new TextDecoder("latin1").decode(bytes).match(pattern));
}

/** The hashes in a model's manifest, which may be malformed. */
export const hashesIn = (manifestPath: string): Promise<Set<string>> => matches(manifestPath, HASH);

async function* entries(dir: string): AsyncGenerator<string> {
  try {
    for await (const { name } of Deno.readDir(dir)) yield name;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function ageMs(path: string): Promise<number> {
  try {
    return Date.now() - ((await Deno.stat(path)).mtime?.getTime() ?? 0);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
