/**
 * The imports of the product's files, read from their text.
 *
 * @module
 */
import { dirname, join, normalize } from "node:path";

/** The folders whose files are the product; tests beside them are left out. */
export const HOUSES = ["actors", "models", "planner", "runtime"];

/** An import of one of the project's files by another. Both paths are relative to the root. */
export interface FileImport {
  from: string;
  to: string;
}

/** What the product's files import. */
export interface Imports {
  /** Every file of the product, relative to the root, sorted. */
  files: string[];
  /** Imports between them, and from them to other files of the project. */
  local: FileImport[];
  /** Packages and built-in modules: the file and the name that it imports. */
  packages: { from: string; name: string }[];
}

/** Statements that import: `import ... from`, `export ... from`, `import "x"` and `import("x")`. */
const IMPORT =
  /^\s*(?:import|export)\b[^;]*?\bfrom\s+"([^"]+)"|^\s*import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gms;
const BLOCK_COMMENT = /\/\*.*?\*\//gs;

/** Reads every file of the product below `root`. */
export async function readImports(root: string): Promise<Imports> {
  const imports: Imports = { files: [], local: [], packages: [] };
  for (const house of HOUSES) await walk(root, house, imports.files);
  imports.files.sort();
  for (const from of imports.files) {
    const text = (await Deno.readTextFile(join(root, from))).replaceAll(BLOCK_COMMENT, "");
    for (const [, a, b, c] of text.matchAll(IMPORT)) {
      const name = (a ?? b ?? c)!;
      if (name.startsWith(".")) {
        imports.local.push({ from, to: normalize(join(dirname(from), name)) });
      } else imports.packages.push({ from, name });
    }
  }
  return imports;
}

async function walk(root: string, folder: string, files: string[]): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(join(root, folder))) {
    const path = `${folder}/${name}`;
    if (isDirectory) await walk(root, path, files);
    else if (name.endsWith(".ts") && !name.endsWith("_test.ts")) files.push(path);
  }
}

/** Files that import each other in a circle, each circle once; [] when there is none. */
export function circles(imports: readonly FileImport[]): string[][] {
  const next = Map.groupBy(imports, (i) => i.from);
  const state = new Map<string, "open" | "done">();
  const path: string[] = [];
  const found: string[][] = [];
  const visit = (file: string): void => {
    if (state.get(file) === "done") return;
    if (state.get(file) === "open") {
      found.push([...path.slice(path.indexOf(file)), file]);
      return;
    }
    state.set(file, "open");
    path.push(file);
    for (const { to } of next.get(file) ?? []) visit(to);
    path.pop();
    state.set(file, "done");
  };
  for (const file of next.keys()) visit(file);
  return found;
}
