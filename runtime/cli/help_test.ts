import assert from "node:assert/strict";
import { join } from "node:path";
import config from "../../deno.json" with { type: "json" };
import { BLOCKS, PRECISIONS, TENSOR_FORMATS } from "../../models/mod.ts";
import { readFlags } from "./args.ts";
import { COMMANDS, MODELS, STORED_PRECISIONS } from "./commands/mod.ts";
import { commandHelp, HELP_WIDTH, overview } from "./help.ts";
import { understand } from "./orrery.ts";
import { PROGRAM } from "./program_name.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
/** Lines of a screen. */
const SCREEN = 40;

const tasks: Record<string, { command: string } | undefined> = config.tasks;

/** The words of a command line, without quotes. */
const words = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare);

Deno.test("commandHelp() fits on one screen for every command, with an example that is understood", () => {
  for (const command of COMMANDS) {
    const lines = commandHelp(command).split("\n");
    assert.ok(lines.length <= SCREEN, `${command.name} has ${lines.length} lines`);
    assert.deepEqual(lines.filter((line) => line.length > HELP_WIDTH), [], command.name);
    assert.ok(lines.includes(`Example: ${PROGRAM} ${command.example}`));
    const explained = commandHelp(command, { all: true }).split("\n");
    for (const [flag, { rare }] of Object.entries(command.flags)) {
      const explains = (line: string) => line.startsWith(`  --${flag}`);
      assert.ok(explained.some(explains), `--${flag}`);
      assert.equal(lines.some(explains), !rare, `--${flag}`);
      assert.ok(lines.some((line) => line.includes(`--${flag}`)), `--${flag} is named`);
    }
    const [name, ...args] = words(command.example);
    assert.equal(name, command.name);
    const { positionals } = readFlags(command, args);
    for (const file of positionals.filter((word) => word.includes("/"))) {
      assert.ok(Deno.statSync(join(ROOT, file)).isFile, file);
    }
  }
});

Deno.test("COMMANDS names programs and permission sets that deno.json has too", () => {
  const names = COMMANDS.map(({ name }) => name);
  assert.deepEqual(names, [...new Set(names)]);
  for (const { name, program, permissions } of COMMANDS) {
    assert.ok(permissions in config.permissions, permissions);
    const task = tasks[name];
    if (program === "orrery.ts") continue; // the dispatcher does it itself
    assert.ok(task, `deno.json has the task ${name}`);
    assert.ok(task.command.includes(` -P=${permissions} `), name);
    assert.ok(task.command.endsWith(` runtime/cli/${program}`), name);
  }
  assert.deepEqual(STORED_PRECISIONS, PRECISIONS);
  assert.deepEqual(MODELS.flags["head-precision"].choices, TENSOR_FORMATS);
  assert.deepEqual(MODELS.flags.block.choices, BLOCKS.map(String));
});

Deno.test("understand() finds the command, prints help, and suggests what may be meant", async () => {
  const run = await understand(["plan", "x.yaml", "--json"]);
  assert.ok(run.state === "run" && run.command.name === "plan");
  assert.deepEqual(run.args, ["x.yaml", "--json"]);
  for (const args of [[], ["--help"], ["-h"], ["help"]]) {
    const shown = await understand(args);
    assert.ok(shown.state === "print");
    for (const { name, summary } of COMMANDS) {
      assert.match(shown.text, new RegExp(`^ {2}${name} +\\S`, "m"));
      assert.ok(shown.text.includes(summary), summary);
    }
  }
  for (const args of [["help", "nodes"], ["nodes", "--help"], ["nodes", "drain", "-h"]]) {
    const shown = await understand(args);
    assert.ok(shown.state === "print" && shown.text.includes("deno task orrery nodes drain NAME"));
  }
  const after = await understand(["chat", "--", "--help"]);
  assert.equal(after.state, "run");
  const wrong = async (...args: string[]) => {
    const said = await understand(args);
    return said.state === "wrong" ? said.line : said;
  };
  assert.equal(
    await wrong("strat"),
    'error: there is no command "strat": did you mean start? (see deno task orrery --help)',
  );
  assert.match(String(await wrong("frobnicate")), /known are start, chat, /);
  assert.match(String(await wrong("help", "nodse")), /did you mean nodes\?/);
  assert.match(String(await wrong("completions", "tcsh")), /takes bash, zsh or fish, got "tcsh"/);
  const version = await understand(["--version"]);
  assert.deepEqual(version, { state: "print", text: `orrery ${config.version}` });
});

Deno.test("overview() is one screen wide and high", () => {
  const lines = overview().split("\n");
  assert.ok(lines.length <= SCREEN, `${lines.length} lines`);
  assert.deepEqual(lines.filter((line) => line.length > HELP_WIDTH), []);
});

Deno.test("deno task orrery runs a command with that command's permissions and exit code", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "-q", "orrery", "keys", "list", "--jsno"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.deepEqual([code, text(stdout), text(stderr)], [
    2,
    "",
    "error: unknown option --jsno: did you mean --json? (see --help)\n",
  ]);
});
