/**
 * The modules of a graph file's custom actors, packed for a cluster on other machines.
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import type { Graph } from "../../actors/mod.ts";

/** A packed module, as `PUT /api/deployments/{name}` takes it. */
export interface SentModule {
  /** SHA-256 of its bytes, in hexadecimal digits. */
  sha256: string;
  /** The bytes in base 64. */
  data: string;
}

/**
 * The packed modules by the names of their actors; paths are relative to the folder of `file`. Throws
 * group `graph`, code `bad_module`.
 */
export async function packedModules(
  { actors: { custom } }: Graph,
  file: string,
): Promise<Record<string, SentModule>> {
  if (custom.length === 0) return {};
  const { packModule } = await import("../custom/mod.ts"); // other files need none of it
  const modules: Record<string, SentModule> = {};
  for (const { name, module } of custom) {
    const { sha256, bytes } = await packModule(resolve(dirname(file), module));
    modules[name] = { sha256, data: bytes.toBase64() };
  }
  return modules;
}
