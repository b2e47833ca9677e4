/**
 * Examines the files of a node: whether it can write to `--data`, whether others can read its keys,
 * whether the disk is full, and whether the registry's file is sound.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { type Fault, faultSchema, hasCode, testRegistry, toOrreryError } from "../../actors/mod.ts";
import { openEmbeddedRegistry } from "../registry/mod.ts";
import { Authority, trustFolder } from "../trust/mod.ts";

/** A disk with fewer free bytes is said to be full: weights of layers would not fit. */
const LEAST_FREE_BYTES = 512 * 2 ** 20;
/** Milliseconds in which the registry's file must answer. */
const REGISTRY_MS = 5_000;

const isMissing = (error: unknown) => error instanceof Deno.errors.NotFound;

/** Free and all bytes of the file system of a folder; null: it cannot be asked. */
export async function diskOf(
  data: string,
): Promise<{ free_bytes: number; total_bytes: number } | null> {
  try {
    const { bavail, blocks, bsize } = await statfs(data);
    return { free_bytes: bavail * bsize, total_bytes: blocks * bsize };
  } catch {
    return null;
  }
}

/** What is wrong with the folder of a node: writing, who may read its keys, free disk. */
export async function folderFaults(data: string): Promise<Fault[]> {
  try {
    const file = await Deno.makeTempFile({ dir: data, prefix: ".doctor-" });
    await Deno.remove(file);
  } catch (error) {
    return [{
      about: "data",
      ...(isMissing(error)
        ? {
          what: `there is no folder ${data}`,
          remedy: "name the node's folder with --data; `deno task start` makes it",
        }
        : {
          what: `${data} cannot be written to: ${(error as Error).message}`,
          remedy: "give the folder to the user that runs the node (chown), or start with another " +
            "--data",
        }),
    }];
  }
  const faults = await keyFaults(data);
  const disk = await diskOf(data);
  if (disk && disk.free_bytes < LEAST_FREE_BYTES) {
    faults.push({
      about: "disk",
      what: `the disk of ${data} has ${Math.floor(disk.free_bytes / 2 ** 20)} MiB free`,
      remedy: "make room: `deno task models remove` deletes models that are not needed",
    });
  }
  return faults;
}

/** Files with keys that other users of the machine may read, and those that are damaged. */
async function keyFaults(data: string): Promise<Fault[]> {
  const folder = trustFolder(data);
  const faults: Fault[] = [];
  for (const dir of [folder, join(folder, "nodes")]) {
    try {
      for await (const { name, isFile } of Deno.readDir(dir)) {
        if (!isFile || !name.endsWith(".json")) continue;
        const path = join(dir, name);
        const { mode } = await Deno.stat(path);
        if (mode !== null && (mode & 0o077) !== 0) {
          faults.push({
            about: "permissions",
            what: `other users of the machine may read ${path} (mode ${
              (mode & 0o777).toString(8)
            })`,
            remedy: `chmod 600 ${path}`,
          });
        }
        if (!isJson(await Deno.readTextFile(path))) {
          faults.push({
            about: "trust",
            what: `${path} is damaged`,
            remedy: dir === folder
              ? "restore it from a copy, or remove it and let every node join anew"
              : "remove it: the node joins as a new one, with a token",
          });
        }
      }
    } catch (error) {
      if (isMissing(error)) continue; // no node was started with this folder yet
      faults.push({
        about: "permissions",
        what: `${dir} cannot be read: ${(error as Error).message}`,
        remedy: "run this as the user that runs the node",
      });
    }
  }
  return faults;
}

function isJson(text: string): boolean {
  try {
    return JSON.parse(text) !== undefined;
  } catch {
    return false;
  }
}

/** Schema of what is found in a folder whose node was not asked. */
export const fileReportSchema = z.object({
  /** The folder. */
  data: z.string(),
  disk: z.object({ free_bytes: z.number(), total_bytes: z.number() }).nullable(),
  /** The cluster's authority, on its first node; null: the folder has none. */
  authority: z.object({
    /** SHA-256 of its certificate. */
    sha256: z.string(),
    /** Seconds until it ends. */
    left_s: z.number(),
  }).nullable(),
  /** The embedded registry: not there, opened by a running node, or tried just now. */
  registry: z.enum(["absent", "in_use", "sound", "unsound"]),
  faults: z.array(faultSchema),
});
/** See {@linkcode fileReportSchema}. */
export type FileReport = z.infer<typeof fileReportSchema>;

/** Examines the files of a node that does not run, or that was not asked. */
export async function examineFiles(data: string): Promise<FileReport> {
  const faults = await folderFaults(data);
  const authority = await authorityOf(data, faults);
  const registry = await registryOf(data, faults);
  return { data, disk: await diskOf(data), authority, registry, faults };
}

async function authorityOf(data: string, faults: Fault[]): Promise<FileReport["authority"]> {
  try {
    const { certificate, fingerprint } = await Authority.open({ data });
    const endsMs = Date.parse(new X509Certificate(certificate).validTo);
    const left = Math.round((endsMs - Date.now()) / 1000);
    if (left <= 0) {
      faults.push({
        about: "certificate",
        what: `the certificate of the cluster's authority ended at ${
          new Date(endsMs).toISOString()
        }`,
        remedy: "compare this machine's clock; else remove trust/authority.json and let every " +
          "node join anew",
      });
    }
    return { sha256: fingerprint, left_s: left };
  } catch (error) {
    // A damaged file is among the faults already.
    if (!hasCode(error, "no_authority") && !faults.some(({ about }) => about === "trust")) {
      faults.push({
        about: "trust",
        what: `the cluster's authority cannot be read: ${toOrreryError(error).message}`,
        remedy: "restore trust/authority.json from a copy, and run this as the user of the node",
      });
    }
    return null;
  }
}

async function registryOf(data: string, faults: Fault[]): Promise<FileReport["registry"]> {
  const file = join(data, "registry", "registry.sqlite");
  try {
    await Deno.stat(file);
  } catch {
    return "absent";
  }
  try {
    const registry = await openEmbeddedRegistry(file);
    try {
      await testRegistry(registry, { deadlineMs: REGISTRY_MS });
    } finally {
      await registry.close();
    }
    return "sound";
  } catch (error) {
    if (hasCode(error, "in_use")) return "in_use";
    faults.push({
      about: "registry",
      what: `the registry ${file} does not work: ${toOrreryError(error).message}`,
      remedy: "restore the file from a copy, and see whether the disk is full or read-only",
    });
    return "unsound";
  }
}
