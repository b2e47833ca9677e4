/**
 * The managed registry for a command that runs beside a server, by that node's files: where etcd
 * listens, and the certificate that opens it.
 *
 * @module
 */
import { join } from "node:path";
import type { Registry } from "../../actors/mod.ts";
import { EtcdRegistry } from "../registry/mod.ts";
import { RecordFile } from "../trust/mod.ts";
import { serverKeySchema } from "./managed_registry.ts";
import { etcdAddress, memberFile } from "./member_files.ts";

/**
 * Opens the registry of the first node with this data folder that is a server; undefined: none is.
 * Nothing is sent yet. Whoever opens it closes it. Throws `file_broken` (group `trust`) and
 * `registry/bad_url` where the server's certificate is not there.
 */
export async function openManagedBeside(data: string): Promise<Registry | undefined> {
  for (const folder of await memberFolders(join(data, "registry", "etcd"))) {
    const key = new RecordFile(join(folder, "authority.json"), serverKeySchema, () => ({}));
    if (!(await key.read()).authority) continue; // it only runs a copy, or lost its place
    const { endpoints } = await memberFile(folder).read();
    if (endpoints.length > 0) return await EtcdRegistry.open(etcdAddress(folder, endpoints));
  }
  return undefined;
}

async function memberFolders(parent: string): Promise<string[]> {
  const folders: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(parent)) {
      if (isDirectory) folders.push(join(parent, name));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return folders.sort();
}
