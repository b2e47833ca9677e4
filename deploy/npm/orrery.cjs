#!/usr/bin/env node
/**
 * `npx orrery`: runs the command line of Orrery by the `deno` of its npm package. Deno does not run
 * TypeScript below a folder `node_modules`, so the program is copied once to a folder of the user,
 * where its packages are installed too.
 */
// deno-lint-ignore-file no-console -- a command talks to its user
const { spawn, spawnSync } = require("node:child_process");
const { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } = require("node:fs");
const { homedir } = require("node:os");
const { dirname, join } = require("node:path");
const { version } = require("./package.json");

/** Folder of the user for programs' data. */
function dataHome() {
  const { XDG_DATA_HOME, LOCALAPPDATA, ORRERY_HOME } = process.env;
  if (ORRERY_HOME) return ORRERY_HOME;
  if (process.platform === "win32" && LOCALAPPDATA) return join(LOCALAPPDATA, "orrery");
  return join(XDG_DATA_HOME || join(homedir(), ".local", "share"), "orrery");
}

/** The folder of this version of the program, which is made if it is not there. */
function program(deno) {
  const folder = join(dataHome(), version);
  if (existsSync(folder)) return folder;
  mkdirSync(dataHome(), { recursive: true });
  // Made under another name first: a copy that was interrupted must not count as the program.
  const made = mkdtempSync(`${folder}.`);
  try {
    cpSync(join(__dirname, "program"), made, { recursive: true });
    console.error(`orrery ${version}: its packages are fetched to ${folder}, once`);
    const { status, error } = spawnSync(deno, ["install", "-q", "--frozen"], {
      cwd: made,
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, DENO_NO_UPDATE_CHECK: "1" },
    });
    if (error) throw error;
    if (status !== 0) throw new Error(`deno install ended with ${status}`);
    try {
      renameSync(made, folder);
    } catch (error) {
      if (!existsSync(folder)) throw error; // else another process was faster
    }
    return folder;
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}

async function main() {
  const { runInstall } = require(
    join(dirname(require.resolve("deno/package.json")), "install_api.cjs"),
  );
  const deno = await runInstall();
  const folder = program(deno);
  const child = spawn(deno, [
    ...["run", "-q", "-P=launch", "--no-prompt", "--config", join(folder, "deno.json")],
    ...[join(folder, "runtime", "cli", "orrery.ts"), ...process.argv.slice(2)],
  ], {
    stdio: "inherit",
    env: { ...process.env, ORRERY_PROGRAM: "npx orrery", DENO_NO_UPDATE_CHECK: "1" },
  });
  // A terminal sends Ctrl-C to the child too; other signals come to this process alone.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`error: ${deno} cannot be run: ${error.message}`);
    process.exit(1);
  });
  child.on("exit", (code) => process.exit(code ?? 130));
}

main().catch((error) => {
  console.error(`error: ${error.message}`);
  process.exit(1);
});
