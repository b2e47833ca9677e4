/**
 * `deno task package:archive`: makes `orrery-VERSION-linux-ARCH.tar.gz`, which has all that a node
 * needs on Linux: deno, the program, its packages and the embedded model. It starts without npx and
 * without a network.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { basename, dirname, join, resolve } from "node:path";
import { arch as thisArch } from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import config from "../deno.json" with { type: "json" };
import { otherPlatforms, removePlatforms } from "../runtime/cli/other_platforms.ts";
import { copyProgram, DENO_VERSION, run } from "./program_files.ts";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));

/** Processors, as Node names them. */
export const ARCHES = ["x64", "arm64"] as const;
export type Arch = typeof ARCHES[number];

const HELP = `Usage: deno task package:archive [options]

Make an archive that starts a node on Linux without npx and without a network. Needs git, npm, tar.

  --arch ARCH  x64 or arm64 [this machine's]
  --out DIR    where orrery-VERSION-linux-ARCH.tar.gz is written [.]
  --help       print this

Exit codes: 0 done, 1 failed, 2 wrong command line.`;

/** Name of the archive's only folder. */
export const archiveName = (arch: Arch): string => `orrery-${config.version}-linux-${arch}`;

/** Puts the `deno` of npm's package for a processor into a folder. */
export async function fetchDeno(arch: Arch, folder: string): Promise<void> {
  const name = `@deno/linux-${arch}-glibc@${DENO_VERSION}`;
  const packed = await run("npm", ["pack", "--silent", "--pack-destination", folder, name], {
    cwd: folder,
  });
  const file = join(folder, packed.split("\n").at(-1)!);
  await run("tar", ["-xzf", file, "--strip-components=1", "package/deno"], { cwd: folder });
  await Deno.remove(file);
}

/** Makes the archive's folder in `parent`, which exists; resolves to its path. */
export async function writeArchiveFolder(parent: string, arch: Arch): Promise<string> {
  const folder = join(parent, archiveName(arch));
  const program = join(folder, "program");
  await Deno.mkdir(folder);
  await copyProgram(folder);
  await run(Deno.execPath(), ["install", "-q", "--frozen"], { cwd: program });
  // Deno's own cache stays whole: its folder is looked for where there is none.
  removePlatforms(otherPlatforms({
    ...{ root: program, npmCache: join(folder, "no cache"), os: "linux", arch },
  }));
  await fetchDeno(arch, folder);
  await Deno.copyFile(join(FOLDER, "archive/orrery"), join(folder, "orrery"));
  await Deno.chmod(join(folder, "orrery"), 0o755);
  return folder;
}

/** What the command line says; a text says what is wrong with it. */
function options(args: string[]): { arch: Arch; out: string } | "help" | { wrong: string } {
  try {
    const { values } = parseArgs({
      args,
      options: {
        arch: { type: "string", default: thisArch },
        out: { type: "string", default: "." },
        help: { type: "boolean", short: "h" },
      },
    });
    if (values.help) return "help";
    const arch = ARCHES.find((known) => known === values.arch);
    if (arch) return { arch, out: resolve(values.out) };
    return { wrong: `--arch takes ${ARCHES.join(" or ")}, got ${JSON.stringify(values.arch)}` };
  } catch (error) {
    return { wrong: (error as Error).message };
  }
}

async function main(args: string[]): Promise<number> {
  const chosen = options(args);
  if (chosen === "help") {
    console.log(HELP);
    return 0;
  }
  if ("wrong" in chosen) {
    console.error(`error: ${chosen.wrong} (see --help)`);
    return 2;
  }
  const made = await Deno.makeTempDir();
  try {
    const folder = await writeArchiveFolder(made, chosen.arch);
    const file = join(chosen.out, `${basename(folder)}.tar.gz`);
    await Deno.mkdir(chosen.out, { recursive: true });
    await run("tar", ["--owner=0", "--group=0", "-czf", file, basename(folder)], {
      cwd: dirname(folder),
    });
    console.log(`packed ${file}: ${((await Deno.stat(file)).size / 2 ** 20).toFixed(1)} MiB`);
    console.log(`try it:  tar -xzf ${file} && ./${basename(folder)}/orrery start`);
    return 0;
  } catch (error) {
    console.error(`error: ${(error as Error).message}`);
    return 1;
  } finally {
    await Deno.remove(made, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
