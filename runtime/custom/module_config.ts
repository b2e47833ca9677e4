/**
 * The names that a folder's own `deno.json` gives to modules (`imports`).
 *
 * @module
 */
import { dirname, join } from "node:path";

/** Names of configuration files, in the order in which Deno looks for them. */
const CONFIGS = ["deno.json", "deno.jsonc"];

/** What a name in `imports` stands for. */
export interface NamedImport {
  /** The specifier that it stands for; relative ones are relative to `folder`. */
  target: string;
  /** The folder of the file that says so. */
  folder: string;
}

/**
 * What the nearest `deno.json` of this folder or above it says a specifier stands for; undefined:
 * there is none that may be read, or it does not name it.
 */
export async function importsAbove(
  folder: string,
  specifier: string,
): Promise<NamedImport | undefined> {
  for (let at = folder;; at = dirname(at)) {
    const imports = await importsIn(at);
    if (imports) {
      const name = Object.keys(imports)
        .filter((key) => key === specifier || (key.endsWith("/") && specifier.startsWith(key)))
        .sort((a, b) => b.length - a.length)[0];
      if (name === undefined) return undefined;
      return { target: imports[name] + specifier.slice(name.length), folder: at };
    }
    if (dirname(at) === at) return undefined;
  }
}

/** The `imports` of a folder's configuration; undefined: it has none. */
async function importsIn(folder: string): Promise<Record<string, string> | undefined> {
  for (const name of CONFIGS) {
    let text: string;
    try {
      text = await Deno.readTextFile(join(folder, name));
    } catch {
      continue; // it is not there, or not for this node to read
    }
    const { imports } = parsed(text) as { imports?: unknown };
    const named = Object.entries(typeof imports === "object" ? imports ?? {} : {});
    return Object.fromEntries(named.filter((entry) => typeof entry[1] === "string"));
  }
  return undefined;
}

/** JSON with comments and final commas; {}: it is none, which Deno itself reports. */
function parsed(text: string): object {
  const plain = text.replace(/("(?:\\.|[^"\\])*")|\/\/.*|\/\*[^]*?\*\//g, "$1")
    .replace(/("(?:\\.|[^"\\])*")|,(?=\s*[}\]])/g, "$1");
  try {
    const value: unknown = JSON.parse(plain);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
