/**
 * What a node's process may do: the flags of `deno run` for a node with this command line.
 *
 * @module
 */
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";

/** A permission of a set in deno.json, as far as this program reads it. */
type Grant = boolean | readonly string[] | {
  readonly allow?: boolean | readonly string[];
  readonly ignore?: boolean | readonly string[];
};

/** A permission set of deno.json; paths are relative to its folder. */
export type PermissionSet = Readonly<Record<string, Grant>>;

/** What a graph file grants to its actors: the node must have it to be able to give it on. */
export interface GraphGrants {
  /** Files and folders that the graph names: models, modules of actors, what actors may read. */
  read: string[];
  /** Environment variables that actors may read. */
  env: string[];
}

/** Paths on a node's command line. */
export interface NodePaths {
  /** The data folder, which alone is written to. */
  data: string;
  /** Files and folders that are read. */
  read: string[];
  /** The graph file. */
  graph?: string;
  /** The node may be asked to run a member of etcd. */
  etcd: boolean;
}

/** Options of `deno task start` whose values are files or folders to read. */
const READ = ["model", "draft", "graph", "api-key-file", "token-file"] as const;
/** Options within the address of an etcd registry whose values are files to read. */
const REGISTRY_FILES = ["ca", "cert", "key", "password_file"] as const;

/** The script that runs etcd, from the root of the program: the one program that a node starts. */
const RUN_ETCD = "runtime/etcd/run_etcd.sh";

/** The paths that a node's command line names. Options without a path are passed over. */
export function nodePaths(args: string[]): NodePaths {
  const names = ["data", "registry", "join", ...READ];
  const { values } = parseArgs({
    args,
    options: Object.fromEntries(names.map((name) => [name, { type: "string" as const }])),
    strict: false, // `start` itself says what is wrong with its command line
    allowPositionals: true,
  });
  const text = (name: string) => typeof values[name] === "string" ? values[name] : undefined;
  const data = text("data") || ".orrery";
  return {
    data,
    read: [...READ.flatMap((name) => text(name) ?? []), ...registryFiles(text("registry"))],
    graph: text("graph"),
    // The coordinator says whether it is; a node that was one goes on.
    etcd: text("registry") === "managed" || values.join !== undefined || hasEtcd(data),
  };
}

/** Whether a node with this data folder has run a member of etcd. */
function hasEtcd(data: string): boolean {
  try {
    return Deno.statSync(join(data, "registry", "etcd")).isDirectory;
  } catch {
    return false;
  }
}

/** Files that an `etcd://` address names: certificates, a key, a password. */
function registryFiles(url = ""): string[] {
  const query = new URLSearchParams(url.startsWith("etcd://") ? url.split("?")[1] : "");
  return REGISTRY_FILES.flatMap((name) => query.get(name) || []);
}

/**
 * Flags for `deno run`: the set `base` of deno.json, whose paths are relative to `root`, and beyond
 * it to read and write the data folder, to read the paths of the command line, and what the graph
 * file grants. Paths of the command line are relative to the current folder.
 */
export function permissionFlags(
  base: PermissionSet,
  { root, paths, grants }: { root: string; paths: NodePaths; grants?: GraphGrants },
): string[] {
  const data = withTargets(resolve(paths.data));
  const extra: Record<string, string[]> = {
    read: [
      ...data,
      ...paths.read.flatMap((path) => withTargets(resolve(path))),
      ...(paths.graph === undefined ? [] : [dirname(resolve(paths.graph))]),
      ...(grants?.read ?? []).flatMap(withTargets),
    ],
    write: data,
    env: grants?.env ?? [],
    run: paths.etcd ? [join(root, RUN_ETCD)] : [],
  };
  const flags: string[] = [];
  for (const [name, grant] of Object.entries(base)) {
    const { allow = false, ignore = false } = typeof grant === "object" && !Array.isArray(grant)
      ? grant as Exclude<Grant, boolean | readonly string[]>
      : { allow: grant as boolean | readonly string[] };
    if (allow === true) {
      flags.push(`--allow-${name}`);
      continue;
    }
    const isPath = name === "read" || name === "write";
    const own = allow === false ? [] : allow.map((entry) => isPath ? join(root, entry) : entry);
    const all = [...new Set([...own, ...extra[name] ?? []])];
    if (all.length > 0) flags.push(`--allow-${name}=${all.map(quoted).join(",")}`);
    else if (allow === false && ignore === false) flags.push(`--deny-${name}`);
    if (ignore === true) flags.push(`--ignore-${name}`);
  }
  return flags;
}

/** A comma separates the values of a flag; a comma within a value is doubled. */
const quoted = (value: string): string => value.replaceAll(",", ",,");

/**
 * A path, and where it leads if it is a link. Of a folder that holds links to files elsewhere, as
 * the cache of the Hugging Face hub does, the targets too.
 */
function withTargets(path: string): string[] {
  const targets = [path, real(path)];
  try {
    for (const entry of Deno.readDirSync(path)) {
      if (entry.isSymlink) targets.push(real(join(path, entry.name)));
    }
  } catch {
    // it is a file, or not there: `start` will say so
  }
  return [...new Set(targets)];
}

function real(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}
