/**
 * Where the files of custom actors' modules lie on a host: in the data folder, below the SHA-256 of
 * what was packed. A changed module gets another folder, so that workers of the old one and of the
 * new one each load their own.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { type ModuleBundle, PROGRAM, PROGRAM_FOLDER } from "./module_bundle.ts";
import { scanModule } from "./module_imports.ts";

/** Milliseconds after which the files of a module that nobody has loaded since are deleted. */
const KEPT_MS = 7 * 86_400_000;

/** A module that lies ready at this host. */
export interface StagedModule {
  /** `file:` URL of the module. */
  url: string;
  /** `file:` URL of the folder with all its files. */
  folder: string;
}

/** Writes the files of a bundle below `folder`, unless they are there. */
export async function stageModule(
  { bundle, sha256 }: { bundle: ModuleBundle; sha256: string },
  folder: string,
): Promise<StagedModule> {
  const to = join(folder, sha256);
  const now = new Date();
  try {
    await Deno.utime(to, now, now);
  } catch {
    await Deno.mkdir(folder, { recursive: true });
    await prune(folder);
    const temporary = await Deno.makeTempDir({ dir: folder, prefix: "new-" });
    for (const { path, text } of bundle.files) {
      const file = join(temporary, path);
      await Deno.mkdir(dirname(file), { recursive: true });
      await Deno.writeTextFile(file, atThisHost(text));
    }
    try {
      await Deno.rename(temporary, to);
    } catch { // another node of this folder was quicker
      await Deno.remove(temporary, { recursive: true });
    }
  }
  return {
    url: pathToFileURL(join(to, bundle.entry)).href,
    folder: pathToFileURL(to).href,
  };
}

/** The text with the program's files where they are at this host. */
function atThisHost(text: string): string {
  let out = text;
  for (const { specifier, start, end } of scanModule(text).imports.toReversed()) {
    if (!specifier.startsWith(PROGRAM)) continue;
    const path = specifier.slice(PROGRAM.length);
    if (path.split("/").includes("..")) continue; // no worker loads it
    const url = pathToFileURL(join(PROGRAM_FOLDER, path)).href;
    out = out.slice(0, start) + JSON.stringify(url) + out.slice(end);
  }
  return out;
}

async function prune(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    const path = join(folder, name);
    const { mtime } = await Deno.stat(path).catch(() => ({ mtime: null }));
    if (mtime && Date.now() - mtime.getTime() > KEPT_MS) {
      await Deno.remove(path, { recursive: true }).catch(() => {});
    }
  }
}
