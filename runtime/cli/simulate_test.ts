import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT, runPlanner } from "../../tests/support/run_planner.ts";

Deno.test("deno task simulate prints results and draws a timeline", async () => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const svg = join(dir, "t.svg");
    const args = [
      join(ROOT, "examples", "graphs", "paper_env_b.yaml"),
      "--prompt",
      "64",
      "--tokens",
      "32",
      "--branches",
      "4",
      "--acceptance",
      "0.7",
    ];
    const { code, stdout, stderr } = await runPlanner(
      "simulate",
      [...args, "--json", "--timeline", svg],
      dir,
    );
    assert.deepEqual([code, stderr], [0, ""]);
    const result = JSON.parse(stdout);
    assert.equal(result.requests.length, 1);
    assert.equal(result.requests[0].tokens, 32);
    assert.ok(result.requests[0].ttft_s > 0);
    assert.match(await Deno.readTextFile(svg), /^<svg [^]*<\/svg>\s*$/);
    const text = await runPlanner("simulate", args);
    assert.equal(text.code, 0, text.stderr);
    assert.match(
      text.stdout,
      /64 prompt tokens, 32 answer tokens, 4 branches, acceptance 0\.7\n\nstage +host +layers [^]*\n\nrequest +first token/,
    );
    const wrong = await runPlanner("simulate", [...args, "--acceptance", "2"]);
    assert.deepEqual([wrong.code, wrong.stderr], [
      2,
      'error: --acceptance takes a number from 0 to 1, got "2" (see --help)\n',
    ]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
