/**
 * `deno task compile`: makes one file that runs a node, `orrery-node-VERSION-linux-ARCH`, by `deno
 * compile`. That fetches a runtime for each platform, outside the package registries, unless the
 * variable `DENORT_BIN` names one.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { join, relative, resolve } from "node:path";
import { arch as thisArch } from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import config from "../deno.json" with { type: "json" };
import { otherPlatforms } from "../runtime/cli/other_platforms.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Deno's names of the processors, by Node's. */
const TARGETS: Record<string, string> = {
  x64: "x86_64-unknown-linux-gnu",
  arm64: "aarch64-unknown-linux-gnu",
};

/** What the node reads or starts by a path of its own: no import names it. */
export const INCLUDED: readonly string[] = [
  "models/embedded",
  "runtime/page/static",
  "runtime/etcd/run_etcd.sh",
  "runtime/cluster/plan_worker.ts",
  "runtime/custom/lock.ts",
  "runtime/custom/worker.ts",
  "runtime/grammar/worker.ts",
  "runtime/pull/worker.ts",
  "runtime/serve/prompt_thread_worker.ts",
];

/**
 * What the program may do. It is fixed when the program is made, before anybody knows its data
 * folder: so it may read and write all files, which a node of `deno task start` may not.
 */
const PERMISSIONS = [
  ...["--allow-net", "--allow-read", "--allow-write", "--allow-ffi", "--allow-env"],
  `--allow-sys=${config.permissions.node.sys.join(",")}`,
  "--allow-run=sh",
];

/**
 * Samples of numbers that a package has for its tests: as they have no extension, `deno compile`
 * (2.9.6) reads them as scripts, and overflows its stack.
 */
const DEEP_FILES = "node_modules/.deno/bintrees@1.0.2/node_modules/bintrees/test";

const HELP = `Usage: deno task compile [options]

Make one file that runs a node: it takes the options of start. Fetches a runtime from Deno's site,
unless DENORT_BIN names one (the file denort of the same version and processor).

  --arch ARCH  x64 or arm64 [this machine's]
  --out FILE   the file to write [orrery-node-VERSION-linux-ARCH]
  --help       print this

Exit codes: 0 done, 1 failed, 2 wrong command line.`;

/** What stands behind `deno` to make the program for a processor. */
export function compileArguments(arch: string, out: string): string[] {
  // Only this processor's library of ONNX Runtime: all of them have 288 MiB.
  const others = otherPlatforms({
    ...{ root: ROOT, npmCache: join(ROOT, "no cache"), os: "linux", arch },
  });
  return [
    ...["compile", "-q", "--no-check", "--no-prompt", "--frozen", "--config", "deno.json"],
    // Weights are mapped and ONNX Runtime is loaded by C libraries, which need real files.
    ...["--self-extracting", "--app-name", "orrery", "--target", TARGETS[arch], "--output", out],
    ...PERMISSIONS,
    ...INCLUDED.flatMap((path) => ["--include", path]),
    ...others.folders.flatMap((folder) => ["--exclude", relative(ROOT, folder)]),
    ...["models/training", DEEP_FILES].flatMap((path) => ["--exclude", path]),
    "runtime/cli/start.ts",
  ];
}

async function main(args: string[]): Promise<number> {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        arch: { type: "string", default: thisArch },
        out: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    }));
  } catch (error) {
    console.error(`error: ${(error as Error).message} (see --help)`);
    return 2;
  }
  const { arch, help } = values;
  if (help) {
    console.log(HELP);
    return 0;
  }
  if (!(arch in TARGETS)) {
    const names = Object.keys(TARGETS).join(" or ");
    console.error(`error: --arch takes ${names}, got ${JSON.stringify(arch)} (see --help)`);
    return 2;
  }
  const out = resolve(values.out ?? `orrery-node-${config.version}-linux-${arch}`);
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: compileArguments(arch, out),
    cwd: ROOT,
  }).spawn().status;
  if (code !== 0) {
    console.error(
      "error: deno compile failed, see above; without the network, DENORT_BIN must name a denort " +
        `of version ${Deno.version.deno} for linux ${arch}`,
    );
    return 1;
  }
  console.log(`compiled ${out}: ${((await Deno.stat(out)).size / 2 ** 20).toFixed(1)} MiB`);
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
