/**
 * `deno task start`: starts the node's program with no more permissions than its command line
 * needs. Deno takes permissions from its own command line only, and which files a node may touch is
 * known when `--data`, `--model` and the like are: hence a program before the program.
 *
 * On Linux and macOS the node takes this process's place, with its id, standard streams and
 * environment; nothing of this program stays in memory. Elsewhere the node is a child process.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type GraphGrants,
  nodePaths,
  permissionFlags,
  type PermissionSet,
} from "./node_permissions.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Where the C library is, by operating system. */
const C_LIBRARY: Record<string, string | undefined> = {
  linux: "libc.so.6",
  darwin: "libSystem.B.dylib",
};

/** What V8 is told: see `runtime/memory.ts`. */
const V8_FLAGS = "--v8-flags=--max-semi-space-size=2,--expose-gc";

/** What the graph file grants; nothing where it is wrong, which `start` reports. */
async function graphGrants(file: string): Promise<GraphGrants | undefined> {
  const { parse } = await import("yaml"); // most nodes have no graph file and need no parser
  const list = (value: unknown): unknown[] => Array.isArray(value) ? value : [];
  const texts = (value: unknown) => list(value).filter((text) => typeof text === "string");
  try {
    const graph = parse(Deno.readTextFileSync(file), { maxAliasCount: 100 });
    const folder = dirname(resolve(file));
    const custom = list(graph?.actors?.custom) as {
      module?: unknown;
      permissions?: { read?: unknown; env?: unknown };
    }[];
    return {
      // Models are found as on the command line; actors and what they read beside the graph file.
      read: [
        ...texts([graph?.model, graph?.model?.name, graph?.actors?.drafter?.model])
          .map((path) => resolve(path)),
        ...custom.flatMap((actor) => texts(actor?.permissions?.read)).map((path) =>
          resolve(folder, path)
        ),
        ...texts(custom.map((actor) => actor?.module)).map((path) =>
          dirname(resolve(folder, path))
        ),
      ],
      env: custom.flatMap((actor) => texts(actor?.permissions?.env)),
    };
  } catch {
    return undefined;
  }
}

/** Puts another program in this process's place. Returns only if that fails. */
function execute(library: string, program: string, args: string[]): void {
  const { symbols } = Deno.dlopen(library, {
    execv: { parameters: ["buffer", "buffer"], result: "i32" },
  });
  const texts = [program, ...args].map((text) => new TextEncoder().encode(`${text}\0`));
  // One block outside V8's heap, so that nothing moves: the texts, one behind the other.
  const block = new Uint8Array(new ArrayBuffer(texts.reduce((sum, t) => sum + t.length, 0)));
  const start = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(block)));
  const pointers = new BigUint64Array(new ArrayBuffer(8 * (texts.length + 1))); // ends with null
  let at = 0;
  for (const [i, text] of texts.entries()) {
    block.set(text, at);
    pointers[i] = start + BigInt(at);
    at += text.length;
  }
  symbols.execv(block, pointers);
}

/** Runs the program as a child and passes signals on. Resolves to its exit code. */
async function runChild(program: string, args: string[]): Promise<number> {
  const child = new Deno.Command(program, { args }).spawn();
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) {
    Deno.addSignalListener(signal, () => {
      try {
        child.kill(signal);
      } catch {
        // it has ended
      }
    });
  }
  return (await child.status).code;
}

const config: { permissions: Record<string, PermissionSet> } = JSON.parse(
  Deno.readTextFileSync(`${ROOT}deno.json`),
);
const paths = nodePaths(Deno.args);
const grants = paths.graph === undefined ? undefined : await graphGrants(paths.graph);
const args = [
  // Deno 2.9 fetches modules from some hosts without asking, whatever --deny-import says.
  ...["run", "-q", "--no-prompt", "--no-remote", "--config", `${ROOT}deno.json`, V8_FLAGS],
  ...permissionFlags(config.permissions.node, { root: ROOT, paths, grants }),
  ...[`${ROOT}runtime/cli/start.ts`, ...Deno.args],
];
const library = C_LIBRARY[Deno.build.os];
if (library !== undefined) {
  try {
    execute(library, Deno.execPath(), args);
  } catch (error) {
    console.error(`the node runs as a child process, as ${library} cannot be called: ${error}`);
  }
}
Deno.exit(await runChild(Deno.execPath(), args));
