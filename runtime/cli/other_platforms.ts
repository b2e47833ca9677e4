/**
 * Finds and removes ONNX Runtime's libraries for other operating systems and processors: its npm
 * package brings all of them, and a machine loads one.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";
import { OrreryError } from "../../actors/mod.ts";

/** Name of the npm package. */
const PACKAGE = "onnxruntime-node";

/** Where copies of the package are, and for which machine they are used. */
export interface LibraryPlace {
  /** Folder of the program, with its `deno.json` and `node_modules`. */
  root: string;
  /** Folder of Deno's cache of npm packages, from which `node_modules` is linked. */
  npmCache: string;
  /** Operating system as Node names it: `linux`, `darwin`, `win32`. */
  os: string;
  /** Processor as Node names it: `x64`, `arm64`. */
  arch: string;
}

/** Folders that this machine has no use for. */
export interface OtherPlatforms {
  /** The folders, with absolute paths. */
  folders: string[];
  /** Bytes that the disk has free again without them. */
  bytes: number;
  /** Bytes in them that stay on the disk, because other projects' `node_modules` link them too. */
  linkedBytes: number;
}

const names = (folder: string): string[] => {
  try {
    return [...Deno.readDirSync(folder)].filter((entry) => entry.isDirectory)
      .map((entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
};

/** Whether the folder is the package in this version, by its own `package.json`. */
function isPackage(folder: string, version: string): boolean {
  try {
    const told = JSON.parse(Deno.readTextFileSync(join(folder, "package.json")));
    return told.name === PACKAGE && told.version === version;
  } catch {
    return false;
  }
}

/** The copies of the package in the version that `deno.json` names. */
function copies({ root, npmCache }: LibraryPlace): string[] {
  const config = JSON.parse(Deno.readTextFileSync(join(root, "deno.json")));
  const version = String(config.imports[PACKAGE]).split("@").at(-1)!;
  const linked = join(root, "node_modules", ".deno", `${PACKAGE}@${version}`);
  return [
    join(linked, "node_modules", PACKAGE),
    ...names(npmCache).map((registry) => join(npmCache, registry, PACKAGE, version)),
  ].filter((folder) => isPackage(folder, version));
}

/** Adds a folder's files to `seen`, by device and inode; links to elsewhere are not followed. */
function countFiles(folder: string, seen: Map<string, { left: number; size: number }>): void {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = join(folder, name);
    if (isDirectory) {
      countFiles(path, seen);
      continue;
    }
    const { dev, ino, nlink, size } = Deno.lstatSync(path);
    const key = ino === null ? path : `${dev}:${ino}`;
    const file = seen.get(key) ?? { left: ino === null ? 1 : nlink ?? 1, size };
    seen.set(key, { ...file, left: file.left - 1 });
  }
}

/**
 * The folders of other platforms in every copy of the package. Throws group `model`, code
 * `no_library`, where there is no copy, or a copy without a library for this machine: then nothing
 * may be removed.
 */
export function otherPlatforms(place: LibraryPlace): OtherPlatforms {
  const { os, arch, root } = place;
  const found = copies(place);
  const fail = (message: string): never => {
    throw new OrreryError({ group: "model", code: "no_library", message });
  };
  if (found.length === 0) {
    fail(`${join(root, "node_modules")} has no ${PACKAGE}: deno install fetches it`);
  }
  const folders: string[] = [];
  for (const copy of found) {
    const bin = join(copy, "bin");
    const platforms = names(bin).filter((name) => /^napi-v\d+$/.test(name)).flatMap((api) =>
      names(join(bin, api)).flatMap((system) =>
        names(join(bin, api, system)).map((processor) => join(bin, api, system, processor))
      )
    );
    const isOurs = (folder: string) =>
      basename(folder) === arch && basename(dirname(folder)) === os;
    if (!platforms.some(isOurs)) {
      fail(`${bin} has no library for ${os} ${arch}: nothing is removed`);
    }
    folders.push(...platforms.filter((folder) => !isOurs(folder)));
  }
  const files = new Map<string, { left: number; size: number }>();
  for (const folder of folders) countFiles(folder, files);
  let bytes = 0, linkedBytes = 0;
  for (const { left, size } of files.values()) {
    if (left > 0) linkedBytes += size;
    else bytes += size;
  }
  return { folders, bytes, linkedBytes };
}

/** Removes the folders, and the folders of operating systems that are empty then. */
export function removePlatforms({ folders }: OtherPlatforms): void {
  for (const folder of folders) {
    Deno.removeSync(folder, { recursive: true });
    const system = dirname(folder);
    if ([...Deno.readDirSync(system)].length === 0) Deno.removeSync(system);
  }
}
