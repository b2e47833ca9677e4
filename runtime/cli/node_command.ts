/**
 * The command line of `deno` that runs a node with no more permissions than it needs. Deno takes
 * permissions from its own command line only, and which files a node may touch is known when
 * `--data`, `--model` and the like are.
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type GraphGrants,
  nodePaths,
  permissionFlags,
  type PermissionSet,
} from "./node_permissions.ts";

/** Folder of the program. */
export const ROOT: string = fileURLToPath(new URL("../../", import.meta.url));

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

/** What stands behind `deno` to start a node with these options. */
export async function nodeCommand(options: string[]): Promise<string[]> {
  const { graph } = nodePaths(options);
  return grantedCommand(options, graph === undefined ? undefined : await graphGrants(graph));
}

/** As {@linkcode nodeCommand}, where it is known what the graph file grants, if there is one. */
export function grantedCommand(options: string[], grants?: GraphGrants): string[] {
  const config: { permissions: Record<string, PermissionSet> } = JSON.parse(
    Deno.readTextFileSync(`${ROOT}deno.json`),
  );
  return [
    // Deno 2.9 fetches modules from some hosts without asking, whatever --deny-import says.
    ...["run", "-q", "--no-prompt", "--no-remote", "--config", `${ROOT}deno.json`, V8_FLAGS],
    ...permissionFlags(config.permissions.node, { root: ROOT, paths: nodePaths(options), grants }),
    ...[`${ROOT}runtime/cli/start.ts`, ...options],
  ];
}
