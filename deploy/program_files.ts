/**
 * What of the repository a package has, and how packages are made.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Version of the npm package `deno` that runs the program: the one that the docs name. */
export const DENO_VERSION = "2.9.6";

/** What of the repository the program needs. */
const PARTS = ["actors", "models", "planner", "runtime", "deno.json", "deno.lock", "LICENSE"];

/** Whether a tracked file is part of the program: no tests, and not how the models were trained. */
export const isPacked = (path: string): boolean =>
  PARTS.includes(path.split("/")[0]) && !/_test\.ts$/.test(path) &&
  !path.startsWith("models/training/");

/** Runs a program in a folder; resolves to what it printed. Throws where it fails. */
export async function run(
  program: string,
  args: readonly string[],
  { cwd, env }: { cwd: string; env?: Record<string, string> },
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    ...{ args: [...args], cwd, env },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (!success) throw new Error(`${program} ${args.join(" ")} failed: ${text(stderr)}`);
  return text(stdout);
}

/** Copies the program's files, and README.md beside them; resolves to their number. */
export async function copyProgram(folder: string): Promise<number> {
  const tracked = (await run("git", ["ls-files", "-z", ...PARTS], { cwd: ROOT })).split("\0");
  const packed = tracked.filter(isPacked);
  for (const path of packed) {
    const to = join(folder, "program", path);
    await Deno.mkdir(dirname(to), { recursive: true });
    await Deno.copyFile(join(ROOT, path), to);
  }
  await Deno.copyFile(join(ROOT, "README.md"), join(folder, "README.md"));
  return packed.length;
}
