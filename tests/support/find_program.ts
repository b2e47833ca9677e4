/**
 * Programs that this machine may have.
 *
 * @module
 */
import { delimiter, join } from "node:path";

/** Path of the program of this name on the PATH; undefined: there is none. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(delimiter)) {
    const path = join(folder, name);
    if (await Deno.stat(path).then(({ isFile }) => isFile, () => false)) return path;
  }
}
