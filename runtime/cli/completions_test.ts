import assert from "node:assert/strict";
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
