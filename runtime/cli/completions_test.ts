import assert from "node:assert/strict";
import { hasTerminals, Terminal } from "../../tests/support/terminal.ts";
import { COMMANDS } from "./commands/mod.ts";
import { completions } from "./completions.ts";

Deno.test("completions() names every command and option for each shell", () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const script = completions([shell], "orr");
    for (const { name, flags } of COMMANDS) {
      assert.match(script, new RegExp(`\\b${name}\\b`));
      for (const flag of Object.keys(flags)) {
        assert.ok(script.includes(shell === "fish" ? ` -l ${flag} ` : `--${flag}`), `--${flag}`);
      }
    }
  }
  assert.throws(() => completions(["tcsh"], "orr"), /takes bash, zsh or fish/);
  assert.throws(() => completions(["bash"], "x; rm"), /--name takes/);
});

Deno.test({
  name: "completions() for bash completes commands, verbs, options and values",
  ignore: Deno.build.os === "windows",
  async fn() {
    /** What bash offers after these words. */
    const offered = async (...words: string[]) => {
      const script = `${completions(["bash"], "orr")}
COMP_WORDS=(${["orr", ...words].map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}
_orr; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { code, stdout, stderr } = await new Deno.Command("bash", {
        args: ["--norc", "-c", script],
        cwd: import.meta.dirname!,
      }).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      return new TextDecoder().decode(stdout).trim().split("\n");
    };
    assert.deepEqual(await offered("st"), ["start", "status"]);
    assert.deepEqual(await offered("nodes", "dr"), ["drain"]);
    assert.deepEqual(await offered("start", "--mem"), ["--memory"]);
    assert.deepEqual(await offered("start", "--placement", ""), ["planned", "even"]);
    assert.deepEqual(await offered("plan", "completions_t"), ["completions_test.ts"]);
  },
});

/** Whether this machine has a shell. */
const has = (shell: string) => {
  try {
    return new Deno.Command(shell, { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
};

Deno.test({
  name: "completions() for fish completes commands, verbs, options, values and files",
  ignore: !has("fish"),
  async fn() {
    const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
    try {
      await Deno.writeTextFile(`${dir}/script`, completions(["fish"], "orr"));
      await Deno.writeTextFile(`${dir}/four.yaml`, "");
      const lines = ["orr st", "orr nodes dr", "orr start --mem", "orr start --placement ev"];
      const asked = [...lines, "orr plan fo", "orr status fo"];
      const args = [
        "--no-config",
        "-c",
        `source script; ${asked.map((line) => `complete -C '${line}'; echo ==`).join("; ")}`,
      ];
      const { stdout } = await new Deno.Command("fish", { args, cwd: dir }).output();
      const offered = new TextDecoder().decode(stdout).split("==\n").slice(0, asked.length);
      assert.deepEqual(
        offered.map((text) => text.trim().split("\n").map((l) => l.split("\t")[0])),
        [
          ...[["start", "status"], ["drain"], ["--memory"], ["even"], ["four.yaml"], [""]],
        ],
      );
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

Deno.test({
  name: "completions() for zsh completes commands, verbs, options, values and files",
  ignore: !has("zsh") || !hasTerminals(),
  async fn() {
    const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
    try {
      await Deno.writeTextFile(`${dir}/script`, completions(["zsh"], "orr"));
      await Deno.writeTextFile(`${dir}/four.yaml`, "");
      await using terminal = new Terminal(["env", "TERM=dumb", "zsh", "-f", "-i"], { cwd: dir });
      await terminal.type("autoload -U compinit && compinit -u -D; PS1='> '\r");
      await terminal.type("source ./script && echo re''ady\r");
      await terminal.until(/ready/);
      // What the shell makes of a line and a tab is told by the shell itself.
      for (
        const [typed, becomes] of [
          ["orr dep", "orr deployments "],
          ["orr nodes dr", "orr nodes drain "],
          ["orr start --mem", "orr start --memory "],
          ["orr start --placement ev", "orr start --placement even "],
          ["orr plan fo", "orr plan four.yaml "],
        ]
      ) {
        await terminal.type(`${typed}\t`);
        await terminal.until(new RegExp(becomes.replaceAll(".", "\\.")));
        await terminal.type("\x15"); // empties the line
      }
      await terminal.type("exit\r");
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});
