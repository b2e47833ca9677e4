/**
 * `deno task package:npm`: packs `orrery-orrery-VERSION.tgz`, an npm package whose `npx orrery` runs
 * every command on a machine that has Node's npx.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import config from "../deno.json" with { type: "json" };

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Version of the npm package `deno` that runs the program: the one that the docs name. */
export const DENO_VERSION = "2.9.6";

/** What of the repository the program needs. */
const PARTS = ["actors", "models", "planner", "runtime", "deno.json", "deno.lock", "LICENSE"];

/** Whether a tracked file is part of the package: no tests, and not how the models were trained. */
export const isPacked = (path: string): boolean =>
  PARTS.includes(path.split("/")[0]) && !/_test\.ts$/.test(path) &&
  !path.startsWith("models/training/");

/** The package.json of the package. */
export const packageJson = () => ({
  name: config.name,
  version: config.version,
  description: "Language models on many small machines: actors, pipelines, one command",
  license: config.license,
  bin: { orrery: "orrery.cjs" },
  files: ["orrery.cjs", "program"],
  dependencies: { deno: DENO_VERSION },
  engines: { node: ">=18" },
});

/** Runs a program in a folder; resolves to what it printed. Throws where it fails. */
async function run(program: string, args: string[], cwd: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, cwd }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (!success) throw new Error(`${program} ${args.join(" ")} failed: ${text(stderr)}`);
  return text(stdout);
}

/** Writes the package's files into a folder; resolves to their number. */
export async function writePackage(folder: string): Promise<number> {
  const tracked = (await run("git", ["ls-files", "-z", ...PARTS], ROOT)).split("\0");
  const packed = tracked.filter(isPacked);
  for (const path of packed) {
    const to = join(folder, "program", path);
    await Deno.mkdir(dirname(to), { recursive: true });
    await Deno.copyFile(join(ROOT, path), to);
  }
  await Deno.copyFile(join(ROOT, "deploy/npm/orrery.cjs"), join(folder, "orrery.cjs"));
  await Deno.copyFile(join(ROOT, "README.md"), join(folder, "README.md"));
  await Deno.writeTextFile(
    join(folder, "package.json"),
    `${JSON.stringify(packageJson(), undefined, 2)}\n`,
  );
  return packed.length;
}

if (import.meta.main) {
  const folder = await Deno.makeTempDir();
  try {
    await writePackage(folder);
    const name = await run("npm", ["pack", "--silent", "--pack-destination", Deno.cwd()], folder);
    const { size } = await Deno.stat(name);
    console.log(`packed ${name}: ${(size / 2 ** 20).toFixed(1)} MiB`);
    console.log(`try it:  npm install ./${name} && npx orrery start`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
