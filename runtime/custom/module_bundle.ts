/**
 * A custom actor's module with all files that it imports, as data that travels: the node with the
 * graph file reads them, other nodes get them by their SHA-256.
 *
 * What a module may import is the same on every host: files beside it, the framework by its name
 * (`@orrery/orrery/actors`) or by its path, packages that come with it, and `node:`. A `deno.json`
 * in the module's folder or above may give names to these. Anything else is refused here, before a
 * worker starts, since no host could be trusted to have it.
 *
 * @module
 */
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { z } from "zod";
import { graphProblem } from "./graph_problem.ts";
import { importsAbove } from "./module_config.ts";
import { scanModule, type ScannedModule } from "./module_imports.ts";

/** Most files of a module. */
const MOST_FILES = 256;
/** Most bytes of all its files. */
const MOST_BYTES = 4 * 1024 * 1024;

/** Begins specifiers of files of the program itself, which every host has. */
export const PROGRAM = "orrery:";
/** Folders of the program from which modules import. */
const ROOMS = ["actors", "models", "planner", "runtime"];
/** The program's folder at this node. */
export const PROGRAM_FOLDER = fileURLToPath(new URL("../../", import.meta.url));

/** What the program's deno.json says of it. */
const programSchema = z.object({
  name: z.string(),
  exports: z.record(z.string(), z.string()),
  imports: z.record(z.string(), z.string()),
});
let known: z.output<typeof programSchema> | undefined;

/** The program's name, doors and packages, read once. */
const program = () =>
  known ??= programSchema.parse(
    JSON.parse(Deno.readTextFileSync(join(PROGRAM_FOLDER, "deno.json"))),
  );

/** Files whose imports are looked at. */
const CODE = /\.[cm]?[jt]sx?$/;

const path = z.string().min(1).max(1_024).refine(
  (text) => !text.split("/").some((part) => ["", ".", ".."].includes(part)) && !/[\\:]/.test(text),
  { error: "expected a path within its folder" },
);

/** Schema of a {@linkcode ModuleBundle}. */
export const moduleBundleSchema = z.strictObject({
  version: z.literal(1),
  /** Path of the module itself. */
  entry: path,
  /** All files, by their path from the folder that they have in common. */
  files: z.array(z.strictObject({ path, text: z.string() })).min(1).max(MOST_FILES),
});

/** See the module's text. */
export type ModuleBundle = z.output<typeof moduleBundleSchema>;

/** A bundle, and how it is told from others. */
export interface PackedModule {
  bundle: ModuleBundle;
  /** What travels: JSON text. */
  bytes: Uint8Array<ArrayBuffer>;
  /** SHA-256 of these bytes, in hexadecimal digits. */
  sha256: string;
  /** Paths of its files at this node. */
  sources: string[];
  /** The folder that they have in common. */
  folder: string;
}

/**
 * Reads a module and what it imports. Throws group `graph`, code `bad_module`, where a file is
 * missing, may not be read, or is imported that other hosts do not have.
 */
export async function packModule(module: string): Promise<PackedModule> {
  const texts = new Map<string, string>();
  let bytes = 0;
  const queue = [{ file: resolve(module), by: undefined as string | undefined }];
  for (let next = queue.shift(); next; next = queue.shift()) {
    const { file, by } = next;
    if (texts.has(file)) continue;
    const source = await read(file, by);
    bytes += source.length;
    if (bytes > MOST_BYTES || texts.size >= MOST_FILES) {
      throw bad(
        `${module} and what it imports are more than ${MOST_FILES} files or ${MOST_BYTES} bytes; ` +
          "import less",
      );
    }
    texts.set(file, source);
    if (!CODE.test(file)) continue;
    const scanned = scanModule(source);
    const imports = await Promise.all(
      scanned.imports.map(({ specifier }) => importOf(specifier, file)),
    );
    queue.push(...imports.flatMap((found) => found.file ? [{ file: found.file, by: file }] : []));
    texts.set(file, rewritten(source, scanned, imports, file));
  }
  return await packed(resolve(module), texts);
}

/** Reads a bundle that has travelled. Throws `bad_module` where it is another one, or none. */
export async function unpackModule(bytes: Uint8Array, sha256: string): Promise<ModuleBundle> {
  const found = await sha256Of(bytes);
  if (found !== sha256) {
    throw bad(`its files have the SHA-256 ${found}, and not ${sha256} as the first node said`);
  }
  const parsed = moduleBundleSchema.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw bad(`its files cannot be read: ${path.join(".")}: ${message}`);
}

/** A module as another node has packed it. `module`: its path at that node. Throws `bad_module`. */
export async function packedBefore(
  bytes: Uint8Array<ArrayBuffer>,
  { sha256, module }: { sha256: string; module: string },
): Promise<PackedModule> {
  const bundle = await unpackModule(bytes, sha256);
  return { bundle, bytes, sha256, sources: [], folder: dirname(module) };
}

/** What an import is: a file that comes along, or a specifier that means the same on every host. */
interface Imported {
  file?: string;
  specifier: string;
}

/** What a specifier in `file` means. Throws `bad_module` where no host could say. */
async function importOf(specifier: string, file: string): Promise<Imported> {
  const named = /^(\.{0,2}\/|file:)/.test(specifier)
    ? undefined
    : await importsAbove(dirname(file), specifier);
  const meant = named?.target ?? specifier;
  const from = named ? named.folder : dirname(file);
  if (/^(\.{0,2}\/|file:)/.test(meant)) {
    const target = meant.startsWith("file:") ? fileURLToPath(meant) : resolve(from, meant);
    return ofProgram(target) ?? { file: target, specifier };
  }
  if (meant.startsWith("node:")) return { specifier: meant };
  const { name: own, exports, imports } = program();
  const bare = meant.replace(/^(npm|jsr):\/?/, "").replace(/^(@[^/]+\/[^/@]+|[^/@]+)@[^/]*/, "$1");
  if (bare === own || bare.startsWith(`${own}/`)) {
    const at = exports[`.${bare.slice(own.length)}`];
    if (at) return { specifier: PROGRAM + at.slice(2) };
    throw bad(
      `${file} imports ${specifier}, and ${own} has no such door; it has ${
        Object.keys(exports).map((name) => own + name.slice(1)).join(", ")
      }`,
    );
  }
  const packages = Object.keys(imports);
  const comes = packages.some((name) => name.endsWith("/") ? bare.startsWith(name) : bare === name);
  const other = comes ? otherVersion(bare, meant) : undefined;
  if (comes && !other && !meant.startsWith("jsr:")) return { specifier: bare };
  if (other) throw bad(`${file} imports ${meant}, and hosts have ${other}`);
  throw bad(
    `${file} imports ${specifier}, which hosts do not have: an actor imports files beside it, ` +
      `${own}/actors, node: modules, and packages that come with Orrery (zod, yaml and ` +
      "others of its deno.json); copy what else it needs into a file beside it",
  );
}

/** The package that the program has, where `meant` asks for another major version of it. */
function otherVersion(bare: string, meant: string): string | undefined {
  const { imports } = program();
  const name = Object.keys(imports).find((key) => bare === key || bare.startsWith(`${key}/`));
  const majorOf = (text: string) => /[^/]@[~^]?(\d+)/.exec(text)?.[1];
  const [asked, ours] = [majorOf(meant), name && majorOf(imports[name])];
  return asked !== undefined && ours !== undefined && asked !== ours ? imports[name!] : undefined;
}

/** A file of the program itself; undefined: it is none. */
function ofProgram(target: string): Imported | undefined {
  const within = relative(PROGRAM_FOLDER, target).split(sep);
  return ROOMS.includes(within[0]) ? { specifier: PROGRAM + within.join("/") } : undefined;
}

/** The text with specifiers that mean the same on every host, and places of this node as texts. */
function rewritten(
  source: string,
  { imports, metas }: ScannedModule,
  found: Imported[],
  file: string,
): string {
  const place = { url: pathToFileURL(file).href, dirname: dirname(file), filename: file };
  const changes = [
    ...imports.map((range, i) => {
      const target = found[i].file;
      const specifier = target === undefined ? found[i].specifier : beside(file, target);
      return { ...range, text: JSON.stringify(specifier) };
    }),
    ...metas.map((range) => ({ ...range, text: JSON.stringify(place[range.name]) })),
  ].sort((a, b) => a.start - b.start);
  let text = "";
  let at = 0;
  for (const { start, end, text: replaced } of changes) {
    text += source.slice(at, start) + replaced;
    at = end;
  }
  return text + source.slice(at);
}

/** A specifier by which `file` imports `target`. */
function beside(file: string, target: string): string {
  const path = relative(dirname(file), target).split(sep).map(encodeURIComponent).join("/");
  return path.startsWith(".") ? path : `./${path}`;
}

async function packed(module: string, texts: Map<string, string>): Promise<PackedModule> {
  const sources = [...texts.keys()].sort();
  let folder = dirname(module);
  while (!sources.every((file) => file.startsWith(join(folder, sep)))) folder = dirname(folder);
  const nameOf = (file: string) => relative(folder, file).split(sep).join("/");
  const bundle: ModuleBundle = {
    version: 1,
    entry: nameOf(module),
    files: sources.map((file) => ({ path: nameOf(file), text: texts.get(file)! })),
  };
  const bytes = new TextEncoder().encode(JSON.stringify(bundle));
  return { bundle, bytes, sha256: await sha256Of(bytes), sources, folder };
}

async function read(file: string, by: string | undefined): Promise<string> {
  const imported = by === undefined ? "" : `, which ${basename(by)} imports`;
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw bad(
        `this node may not read ${file}${imported}: keep what an actor imports in the folder of ` +
          "its module or below, or grant the file by permissions.read of its entry",
      );
    }
    if (error instanceof Deno.errors.NotFound) throw bad(`Module not found: ${file}${imported}`);
    throw bad(`${file}${imported} cannot be read: ${(error as Error).message}`);
  }
}

async function sha256Of(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return new Uint8Array(digest).toHex();
}

const bad = (message: string) => graphProblem("bad_module", message);
