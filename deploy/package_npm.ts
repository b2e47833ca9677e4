/**
 * `deno task package:npm`: packs `orrery-orrery-VERSION.tgz`, an npm package whose `npx orrery` runs
 * every command on a machine that has Node's npx.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import config from "../deno.json" with { type: "json" };
import { copyProgram, DENO_VERSION, run } from "./program_files.ts";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));

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

/** Writes the package's files into a folder; resolves to the number of the program's. */
export async function writePackage(folder: string): Promise<number> {
  const count = await copyProgram(folder);
  await Deno.copyFile(join(FOLDER, "npm/orrery.cjs"), join(folder, "orrery.cjs"));
  await Deno.writeTextFile(
    join(folder, "package.json"),
    `${JSON.stringify(packageJson(), undefined, 2)}\n`,
  );
  return count;
}

if (import.meta.main) {
  const folder = await Deno.makeTempDir();
  try {
    await writePackage(folder);
    const name = await run("npm", ["pack", "--silent", "--pack-destination", Deno.cwd()], {
      cwd: folder,
    });
    const { size } = await Deno.stat(name);
    console.log(`packed ${name}: ${(size / 2 ** 20).toFixed(1)} MiB`);
    console.log(`try it:  npm install ./${name} && npx orrery start`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
